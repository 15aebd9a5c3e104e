"""The compressed interoperability cases again, over PyPI's h2: grpcio neither shows the compressed flag of a response nor lets
a program choose that of a request. Started by run.sh.
"""

import gzip
import os
import socket
import struct
import unittest

import grpc
import h2.config
import h2.connection
import h2.events
import h2.settings
import test_interop
from test_interop import boolean, messages_pb2, output_request, zeros

setUpModule = test_interop.setUpModule

OK, INVALID_ARGUMENT = (str(code.value[0]) for code in [
    grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT
])


def envelope(message, compressed=False):
    body = message.SerializeToString()
    if compressed:
        body = gzip.compress(body)
    return struct.pack(">?I", compressed, len(body)) + body


def split(body):
    """The (flag, message) of each envelope."""
    while body:
        flag, size = struct.unpack_from(">BI", body)
        yield flag, body[5 : 5 + size]
        assert len(body) >= 5 + size, "the end inside an envelope"
        body = body[5 + size :]


def call(method, *envelopes, accept="gzip"):
    """Sends the envelopes and half-closes. Returns the response's header fields, body, and trailers."""
    host, port = test_interop.SERVER.split(":")
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    # Room for a whole response: a server waits for windows in other tests.
    connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
    connection.increment_flow_control_window(1 << 20)
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", test_interop.SERVER),
        (":path", "/grpc.testing.TestService/" + method),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-encoding", "gzip"),
        ("grpc-accept-encoding", accept),
    ]
    connection.send_headers(1, fields)
    unsent, half_closed = b"".join(envelopes), False
    head, body, trailers = {}, b"", {}
    with socket.create_connection((host, int(port)), timeout=test_interop.PATIENCE) as stream:
        while True:
            while not half_closed:
                room = min(connection.local_flow_control_window(1), connection.max_outbound_frame_size)
                if unsent and room == 0:
                    break
                connection.send_data(1, unsent[:room], end_stream=len(unsent) <= room)
                half_closed = len(unsent) <= room
                unsent = unsent[room:]
            stream.sendall(connection.data_to_send())
            data = stream.recv(1 << 16)
            if not data:
                raise AssertionError("the end of the connection inside a call")
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    head = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                elif isinstance(event, h2.events.TrailersReceived):
                    trailers = dict(event.headers)
                elif isinstance(event, h2.events.StreamEnded):
                    # Trailers-Only is one block of both.
                    return head, body, trailers or head
                elif isinstance(event, h2.events.StreamReset):
                    raise AssertionError(f"reset with {event.error_code}")


class Flags(unittest.TestCase):
    def large_request(self, **fields):
        return messages_pb2.SimpleRequest(response_size=314159, payload=zeros(271828), **fields)

    def responses(self, kind, method, *envelopes, **options):
        """The (flag, message) of each response of a call that ends with OK."""
        head, body, trailers = call(method, *envelopes, **options)
        self.assertEqual(trailers["grpc-status"], OK, trailers)
        responses = []
        for flag, message in split(body):
            if flag:
                self.assertEqual(head.get("grpc-encoding"), "gzip")
                message = gzip.decompress(message)
            responses.append((flag, kind.FromString(message)))
        return responses

    def assert_zeros(self, responses, *expected):
        got = [(flag, len(response.payload.body)) for flag, response in responses]
        self.assertEqual(got, list(expected))
        self.assertFalse(any(any(response.payload.body) for _, response in responses))

    def assert_refused(self, method, *envelopes):
        _, body, trailers = call(method, *envelopes)
        self.assertEqual(trailers["grpc-status"], INVALID_ARGUMENT, trailers)
        self.assertEqual(body, b"")

    def unary(self, request, compressed=False, **options):
        sent = envelope(request, compressed)
        return self.responses(messages_pb2.SimpleResponse, "UnaryCall", sent, **options)

    def test_client_compressed_unary(self):
        expecting = self.large_request(expect_compressed=boolean(True))
        self.assert_refused("UnaryCall", envelope(expecting))
        self.assert_zeros(self.unary(expecting, compressed=True), (0, 314159))
        not_expecting = self.large_request(expect_compressed=boolean(False))
        self.assert_zeros(self.unary(not_expecting), (0, 314159))

    def test_client_compressed_streaming(self):
        def request(compressed, size):
            return messages_pb2.StreamingInputCallRequest(
                expect_compressed=boolean(compressed), payload=zeros(size)
            )

        kind, method = messages_pb2.StreamingInputCallResponse, "StreamingInputCall"
        first = request(True, 27182)
        self.assert_refused(method, envelope(first))
        # One message compressed, the other one not.
        sent = [envelope(first, True), envelope(request(False, 45904))]
        [(flag, response)] = self.responses(kind, method, *sent)
        self.assertEqual((flag, response.aggregated_payload_size), (0, 73086))

    def test_server_compressed_unary(self):
        compressed = self.large_request(response_compressed=boolean(True))
        self.assert_zeros(self.unary(compressed), (1, 314159))
        plain = self.large_request(response_compressed=boolean(False))
        self.assert_zeros(self.unary(plain), (0, 314159))

    def test_server_compressed_streaming(self):
        request = output_request(31415, 92653)
        for parameters, compressed in zip(request.response_parameters, [True, False]):
            parameters.compressed.value = compressed
        kind, method = messages_pb2.StreamingOutputCallResponse, "StreamingOutputCall"
        responses = self.responses(kind, method, envelope(request))
        self.assert_zeros(responses, (1, 31415), (0, 92653))

    def test_a_client_that_does_not_accept_gzip(self):
        """No case of the official list: it is asked for and yet not sent."""
        request = self.large_request(response_compressed=boolean(True))
        self.assert_zeros(self.unary(request, accept="identity"), (0, 314159))


if __name__ == "__main__":
    unittest.main()
