"""Probes as the kubelet makes them, and what the kubelet makes of the results.

A gRPC probe of the kubelet's is grpc-go's client: a new connection without TLS for each probe, which is up when the server's SETTINGS have
arrived; one Check; one time limit for both. The socket has SO_LINGER with one second, so that no TIME_WAIT stays.
"""

import socket
import struct
import time

from grpc_health.v1 import health_pb2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

AGENT = "kube-probe/1.37 grpc-go/1.79.0"
LINGER = struct.pack("ii", 1, 1)


def probe(address, service, budget=1.0):
    """What the kubelet writes into the events of the pod: `service healthy`, or what is wrong."""
    host, port = address.rsplit(":", 1)
    deadline = time.monotonic() + budget
    connection = H2Connection(H2Configuration(client_side=True))
    code, body = None, b""
    with socket.socket() as io:
        io.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        try:
            io.settimeout(budget)
            io.connect((host, int(port)))
            connection.initiate_connection()
            events = exchange(io, connection, deadline)
            while not any(isinstance(event, RemoteSettingsChanged) for event in events):
                events = exchange(io, connection, deadline)
            message = health_pb2.HealthCheckRequest(service=service).SerializeToString()
            connection.send_headers(1, [
                (":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Check"),
                (":authority", address), ("content-type", "application/grpc"), ("user-agent", AGENT),
                ("te", "trailers"), ("grpc-timeout", f"{round((deadline - time.monotonic()) * 1e6)}u"),
            ])
            connection.send_data(1, struct.pack(">BI", 0, len(message)) + message, end_stream=True)
            ended = False
            while not ended:
                for event in exchange(io, connection, deadline):
                    if isinstance(event, (ResponseReceived, TrailersReceived)):
                        code = dict(event.headers).get(b"grpc-status", code)
                    elif isinstance(event, DataReceived):
                        body += event.data
                    ended = ended or isinstance(event, (StreamEnded, StreamReset))
        except TimeoutError:
            return f"timeout: health rpc did not complete within {budget} s"
        except OSError as error:
            return f"error: failed to connect service: {error}"
    if code != b"0":
        return f"error: health rpc probe failed: {code}"
    status = health_pb2.HealthCheckResponse.FromString(body[5:]).status
    if status != health_pb2.HealthCheckResponse.SERVING:
        return f'service unhealthy (responded with "{health_pb2.HealthCheckResponse.ServingStatus.Name(status)}")'
    return "service healthy"


def exchange(io, connection, deadline):
    """Sends what waits, and reads once."""
    io.sendall(connection.data_to_send())
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    io.settimeout(left)
    data = io.recv(65536)
    if not data:
        raise ConnectionResetError("the server has closed the connection")
    return connection.receive_data(data)


class Probe:
    """One probe of a container, as its manifest has it. The result changes after a threshold of probes in a row."""

    def __init__(self, spec, address, result):
        self.service = spec["grpc"].get("service", "")
        self.address = address
        self.thresholds = {True: spec.get("successThreshold", 1), False: spec.get("failureThreshold", 3)}
        self.budget = spec.get("timeoutSeconds", 1)
        self.result = result
        self.last, self.run = None, 0
        self.said = []

    def tick(self):
        """Probes once, and returns the result since."""
        said = probe(self.address, self.service, self.budget)
        self.said.append(said)
        healthy = said == "service healthy"
        self.run = self.run + 1 if healthy == self.last else 1
        self.last = healthy
        if self.run >= self.thresholds[healthy]:
            self.result = healthy
        return self.result
