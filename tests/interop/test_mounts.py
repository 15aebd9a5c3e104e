"""The same services inside hyper, axum and tonic. Started by run.sh."""

import os
import subprocess
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from test_health import NOT_SERVING, PATIENCE, SERVICE_UNKNOWN, SERVING, HealthTest, request

MOUNTS = os.environ["INTEROP_MOUNTS_BIN"]
HOSTS = ["hyper", "axum", "tonic"]


class Mounts(HealthTest):
    def mount(self, service):
        """A server process, and the address of each host."""
        server = self.start(MOUNTS, service)
        more = [server.process.stdout.readline() for _ in HOSTS[1:]]
        more = [line.removeprefix("listening on ").strip() for line in more]
        return server, zip(HOSTS, [server.address, *more])

    def test_health(self):
        server, hosts = self.mount("health")
        server.send("set up serving")
        for host, address in hosts:
            with self.subTest(host):
                stub = health_pb2_grpc.HealthStub(self.channel(address))
                self.assertEqual([self.check(stub, "up") for _ in range(100)], [SERVING] * 100)
                with self.assertRaises(grpc.RpcError) as raised:
                    self.check(stub, "nope")
                self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
                reply = stub.List(health_pb2.HealthListRequest(), timeout=PATIENCE)
                self.assertEqual(reply.statuses["up"].status, SERVING)
                up, late = self.watch(stub, "up"), self.watch(stub, f"late.{host}")
                self.assertEqual([next(up).status, next(late).status], [SERVING, SERVICE_UNKNOWN])
                server.send("set up not-serving")
                self.assertEqual(next(up).status, NOT_SERVING)
                server.send("set up serving")
                self.assertEqual(next(up).status, SERVING)
                server.send(f"set late.{host} serving")
                self.assertEqual(next(late).status, SERVING)
                timed = stub.Watch(request("up"), timeout=0.3)
                self.assertEqual(next(timed).status, SERVING)
                self.assert_ends(grpc.StatusCode.DEADLINE_EXCEEDED, timed)

    def test_a_close(self):
        server, hosts = self.mount("health")
        stubs = [health_pb2_grpc.HealthStub(self.channel(address)) for _, address in hosts]
        calls = [self.watch(stub) for stub in stubs]
        self.assertEqual([next(call).status for call in calls], [SERVING] * len(HOSTS))
        server.send("close")
        for call, stub in zip(calls, stubs):
            self.assertEqual(next(call).status, NOT_SERVING)
            self.assert_ends(grpc.StatusCode.UNAVAILABLE, call)
            self.assertEqual(self.check(stub), NOT_SERVING)

    def test_every_interop_case(self):
        _, hosts = self.mount("interop")
        for host, address in hosts:
            with self.subTest(host):
                port = address.rpartition(":")[2]
                # Each in a process of its own: the cases are written for one server.
                command = [sys.executable, "-m", "unittest", "test_interop"]
                environment = {**os.environ, "INTEROP_PORT": port}
                cases = subprocess.run(command, env=environment, capture_output=True, text=True)
                self.assertEqual(cases.returncode, 0, cases.stderr)
