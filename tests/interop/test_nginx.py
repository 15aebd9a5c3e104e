"""nginx in front of the server, with connections that are kept open between calls. Started by run.sh.

nginx closes a connection when the server sends GOAWAY, whatever is unread then. Such an end between calls is no error of the connection.
"""

import os
import shutil
import subprocess
import tempfile
import unittest

import grpc
from nginx import HEAD
from process import Process

PATIENCE = 60
SERVING = b"\x08\x01"
UPLOAD = bytes(200_000)

CONFIG = HEAD + """
    upstream health {{
        server {server};
        keepalive 8;
    }}
    server {{
        listen unix:{folder}/socket http2;
        location / {{
            grpc_pass grpc://health;
        }}
    }}
}}
"""


class Nginx(unittest.TestCase):
    def setUp(self):
        self.server = Process(os.environ["INTEROP_ECHO_BIN"])
        self.addCleanup(self.server.close)
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=folder, server=self.server.address))
        nginx = subprocess.Popen(["nginx", "-c", config, "-p", folder], stderr=subprocess.DEVNULL)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.terminate)
        self.channel = grpc.insecure_channel(f"unix:{folder}/socket")
        self.addCleanup(self.channel.close)
        grpc.channel_ready_future(self.channel).result(timeout=PATIENCE)

    def assert_no_errors(self, calls):
        stats = dict(line.split() for line in self.server.finish().splitlines())
        self.assertEqual(int(stats["calls"]), calls)
        self.assertEqual(stats["connection_errors"], "0")
        self.assertEqual(stats["connections_timed_out"], "0")
        self.assertEqual(stats["floods"], "0")
        return int(stats["connections"])

    def test_connections_that_are_closed_on_goaway_are_no_errors(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        for _ in range(200):
            self.assertEqual(check(b"", timeout=PATIENCE), SERVING)
        # The end of the server: GOAWAY goes to nginx, which has kept its connections.
        connections = self.assert_no_errors(200)
        self.assertLess(connections, 20, "nginx has kept connections open between calls")

    def test_calls_that_are_refused_while_they_upload_are_no_errors(self):
        unknown = self.channel.unary_unary("/no.Such/Method")
        for _ in range(200):
            with self.assertRaises(grpc.RpcError) as raised:
                unknown(UPLOAD, timeout=PATIENCE)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(b"", timeout=PATIENCE), SERVING)
        # nginx closes a connection whose request it has not sent to its end.
        self.assert_no_errors(201)
