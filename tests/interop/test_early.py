"""Clients that are answered before they have sent everything, and clients that give calls up. Started by run.sh.

Neither is an error: the connection, and the stream that is open on it all the time, live on. The limits are the defaults.
"""

import faulthandler
import os
import queue
import subprocess
import unittest

import grpc
from process import Process

PATIENCE = 120
# The whole run, should something hang where no deadline reaches.
faulthandler.dump_traceback_later(300, exit=True)
UPLOAD = bytes(200_000)
SERVING = b"\x08\x01"


class Early(unittest.TestCase):
    def setUp(self):
        self.server = Process(os.environ["INTEROP_ECHO_BIN"])
        self.addCleanup(self.server.close)

    def assert_one_connection(self, calls, cancelled):
        stats = dict(line.split() for line in self.server.finish().splitlines())
        self.assertEqual(stats["connections"], "1")
        self.assertEqual(stats["connection_errors"], "0")
        self.assertEqual(stats["floods"], "0")
        self.assertEqual(int(stats["calls"]), calls)
        self.assertEqual(int(stats["calls_cancelled"]), cancelled)

    def beside_an_open_stream(self, play):
        """Plays on a channel with a stream that was open before, and still is afterwards."""
        requests = queue.SimpleQueue()
        with grpc.insecure_channel(self.server.address) as channel:
            echo = channel.stream_stream("/test.Echo/Echo")(iter(requests.get, None))
            requests.put(b"first")
            self.assertEqual(next(echo), b"first")
            play(channel)
            requests.put(b"last")
            self.assertEqual(next(echo), b"last")
            requests.put(None)
            self.assertEqual(list(echo), [])

    def test_grpcio_uploads_to_an_unknown_method(self):
        calls = 5_000

        def upload(channel):
            method = channel.unary_unary("/no.Service/Method")
            for _ in range(calls):
                with self.assertRaises(grpc.RpcError) as refused:
                    method(UPLOAD, timeout=PATIENCE)
                self.assertEqual(refused.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

        self.beside_an_open_stream(upload)
        self.assert_one_connection(calls + 1, 0)

    def test_grpcio_cancels_behind_the_first_reply(self):
        calls = 5_000

        def cancel(channel):
            method = channel.unary_stream("/grpc.health.v1.Health/Watch")
            for _ in range(calls):
                call = method(b"", timeout=PATIENCE)
                self.assertEqual(next(call), SERVING)
                call.cancel()

        self.beside_an_open_stream(cancel)
        self.assert_one_connection(calls + 1, calls)

    def test_grpc_js_streams_to_an_unknown_method(self):
        script = os.path.join(os.path.dirname(__file__), "refused.js")
        client = subprocess.run(
            ["node", script, self.server.address, "3000"],
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(client.returncode, 0)
        self.assertEqual(client.stdout, "3000 refused\n")
        self.assert_one_connection(3_001, 0)
