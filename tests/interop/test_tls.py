"""The same over TLS and mutual TLS; openssl's client for what must be refused. Started by run.sh."""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import grpc
from grpc_health.v1 import health_pb2_grpc
from test_health import NOT_SERVING, PATIENCE, SERVING, HealthTest, Process, request

CERTS = os.environ["CERTS"]
GRPC_HEALTH = os.environ["GRPC_HEALTH_BIN"]


def path(name):
    return os.path.join(CERTS, name)


def read(name):
    with open(path(name), "rb") as file:
        return file.read()


class TlsTest(HealthTest):
    def serve_tls(self, *arguments):
        tls = ["--tls-cert", path("server.crt"), "--tls-key", path("server.key")]
        return self.serve(*tls, *arguments)

    def serve_mutual(self, *arguments):
        return self.serve_tls("--tls-client-ca", path("clients.crt"), *arguments)

    def secure_stub(self, address, ca="servers", identity=None):
        chain = {}
        if identity:
            chain = {
                "private_key": read(f"{identity}.key"),
                "certificate_chain": read(f"{identity}.crt"),
            }
        credentials = grpc.ssl_channel_credentials(read(f"{ca}.crt"), **chain)
        channel = grpc.secure_channel(address, credentials)
        self.addCleanup(channel.close)
        return health_pb2_grpc.HealthStub(channel)

    def assert_unavailable(self, stub):
        with self.assertRaises(grpc.RpcError) as raised:
            self.check(stub)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE, raised.exception)


class Tls(TlsTest):
    def test_check_and_watch(self):
        server = self.serve_tls("--service", "svc")
        stub = self.secure_stub(server.address)
        self.assertEqual([self.check(stub) for _ in range(200)], [SERVING] * 200)
        call = self.watch(stub, "svc")
        self.assertEqual(next(call).status, SERVING)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(next(call).status, NOT_SERVING)
        self.assert_ends(grpc.StatusCode.UNAVAILABLE, call)
        self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_a_server_that_the_client_does_not_trust(self):
        server = self.serve_tls()
        self.assert_unavailable(self.secure_stub(server.address, ca="clients"))
        self.assertEqual(self.check(self.secure_stub(server.address)), SERVING)

    def test_a_client_without_tls(self):
        server = self.serve_tls()
        self.assert_unavailable(self.stub(server))

    def test_a_certificate_renewed_while_calls_go_on(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        for kind in ["crt", "key"]:
            shutil.copy(path(f"server.{kind}"), os.path.join(directory, f"tls.{kind}"))
        cert, key = (os.path.join(directory, name) for name in ["tls.crt", "tls.key"])
        server = self.serve("--tls-cert", cert, "--tls-key", key, "--tls-reload", "10ms")
        stub = self.secure_stub(server.address)
        call = self.watch(stub)
        self.assertEqual(next(call).status, SERVING)
        for kind in ["crt", "key"]:
            shutil.copy(path(f"renewed.{kind}"), os.path.join(directory, f"tls.{kind}"))
        renewed = read("renewed.crt").decode().split()
        shown = []
        while shown != renewed:
            self.assertEqual(self.check(stub), SERVING)
            answer = openssl(server.address, "-alpn", "h2", "-showcerts").stdout
            begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
            shown = (begin + answer.split(begin)[1].split(end)[0] + end).split()
        self.assertTrue(call.is_active())


class Mutual(TlsTest):
    def test_a_client_with_a_certificate(self):
        server = self.serve_mutual()
        self.assertEqual(self.check(self.secure_stub(server.address, identity="client")), SERVING)

    def test_others_never_get_as_far_as_a_call(self):
        server = self.serve_mutual("--listen-plain", "127.0.0.1:0")
        plain = server.process.stdout.readline().removeprefix("listening on ").strip()
        for identity in [None, "stranger"]:
            self.assert_unavailable(self.secure_stub(server.address, identity=identity))
        self.assertEqual(self.check(health_pb2_grpc.HealthStub(self.channel(plain))), SERVING)


def openssl(address, *arguments):
    """What openssl's client says of the handshake."""
    return subprocess.run(
        ["openssl", "s_client", "-connect", address, "-CAfile", path("servers.crt"), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
        check=False,
    )


class Handshakes(TlsTest):
    @classmethod
    def setUpClass(cls):
        tls = ["--tls-cert", path("server.crt"), "--tls-key", path("server.key")]
        cls.server = Process(GRPC_HEALTH, "serve", "--listen", "127.0.0.1:0", *tls)
        cls.addClassCleanup(cls.server.close)

    def assert_alert(self, alert, *arguments):
        said = openssl(self.server.address, *arguments)
        self.assertRegex(said.stderr, alert, arguments)
        self.assertIn("no peer certificate available", said.stdout, arguments)

    def test_what_is_accepted(self):
        for version in ["-tls1_2", "-tls1_3"]:
            said = openssl(self.server.address, version, "-alpn", "h2", "-verify_return_error")
            self.assertIn("ALPN protocol: h2", said.stdout, said.stderr)
            self.assertIn("Verify return code: 0 (ok)", said.stdout)
            self.assertIn("Compression: NONE", said.stdout)

    def test_old_versions(self):
        # OpenSSL itself has to be talked into offering them. Alert 70 is "protocol version"; 40, "handshake
        # failure", is for what else these versions lack.
        for version in ["-tls1", "-tls1_1"]:
            self.assert_alert(
                "SSL alert number (70|40)", version, "-cipher", "DEFAULT@SECLEVEL=0", "-alpn", "h2"
            )

    def test_cipher_suites_that_http2_forbids(self):
        for cipher in ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256"]:
            self.assert_alert(
                "alert handshake failure", "-tls1_2", "-cipher", cipher, "-alpn", "h2"
            )

    def test_another_protocol(self):
        self.assert_alert("alert no application protocol", "-alpn", "http/1.1")

    def test_no_protocol(self):
        # Waits until the server closes.
        said = openssl(self.server.address, "-ign_eof")
        self.assertIn("No ALPN negotiated", said.stdout)
        self.assertNotIn("SETTINGS", said.stdout)
        self.assertIn("closed", said.stdout)

    def test_no_renegotiation_and_no_resumption(self):
        said = openssl(self.server.address, "-tls1_2", "-alpn", "h2")
        self.assertIn("Session-ID: \n", said.stdout)
        self.assertNotIn("TLS session ticket", said.stdout)


if __name__ == "__main__":
    unittest.main()
