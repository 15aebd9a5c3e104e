"""Much data both ways, by clients that each have their own flow control and their own PINGs. Started by run.sh.

The server's limits are the defaults: none of these clients may ever be taken for a flood. tonic's part is
tests/interop_cases/streaming.rs.
"""

import faulthandler
import os
import subprocess
import unittest

import grpc
from process import Process

# How long a call may take. Far longer than it takes; only a failure gets here.
PATIENCE = 120
# The whole run, should something hang where no deadline reaches.
faulthandler.dump_traceback_later(300, exit=True)
# Messages, and the bytes of each.
LARGE = (100, 1 << 20)
SMALL = (100_000, 16)


def message(number, size):
    """The number of the message, over and over."""
    return number.to_bytes(4, "big") * (size // 4)


class Streaming(unittest.TestCase):
    def setUp(self):
        self.server = Process(os.environ["INTEROP_ECHO_BIN"])
        self.addCleanup(self.server.close)

    def assert_unhurt(self, sent, received):
        """The server has seen one client that did nothing wrong, and every byte of it."""
        stats = self.server.finish()
        stats = dict(line.split() for line in stats.splitlines())
        stats = {name: int(value) for name, value in stats.items()}
        read, written = stats.pop("bytes_read"), stats.pop("bytes_written")
        self.assertEqual(
            stats,
            {
                "connections": 1,
                "connection_errors": 0,
                "connections_timed_out": 0,
                "floods": 0,
                "calls": 1,
                "calls_cancelled": 0,
                "calls_stalled": 0,
            },
        )
        self.assertGreater(read, sent)
        self.assertGreater(written, received)

    def grpcio(self, messages, size):
        requests = (message(number, size) for number in range(messages))
        # Its own serializers: bytes as they are.
        with grpc.insecure_channel(self.server.address) as channel:
            call = channel.stream_stream("/test.Echo/Echo")(requests, timeout=PATIENCE)
            received = 0
            for reply in call:
                self.assertEqual(reply, message(received, size))
                received += 1
            self.assertEqual(call.code(), grpc.StatusCode.OK)
        self.assertEqual(received, messages)
        self.assert_unhurt(messages * size, messages * size)

    def grpc_js(self, messages, size):
        script = os.path.join(os.path.dirname(__file__), "streaming.js")
        arguments = [self.server.address, str(messages), str(size)]
        client = subprocess.run(
            ["node", script, *arguments], stdout=subprocess.PIPE, text=True, timeout=PATIENCE
        )
        self.assertEqual(client.returncode, 0)
        self.assertEqual(client.stdout, f"{messages} messages, {messages * size} bytes\n")
        self.assert_unhurt(messages * size, messages * size)

    def test_grpcio_large(self):
        self.grpcio(*LARGE)

    def test_grpcio_small(self):
        self.grpcio(*SMALL)

    def test_grpcio_small_and_only_received(self):
        messages, size = SMALL
        with grpc.insecure_channel(self.server.address) as channel:
            call = channel.unary_stream("/test.Echo/Repeat")(message(1, size), timeout=PATIENCE)
            replies = list(call)
            self.assertEqual(call.code(), grpc.StatusCode.OK)
        self.assertEqual(replies, [message(1, size)] * messages)
        self.assert_unhurt(0, messages * size)

    def test_grpc_js_large(self):
        self.grpc_js(*LARGE)

    def test_grpc_js_small(self):
        self.grpc_js(*SMALL)
