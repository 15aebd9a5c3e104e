"""Drives the built server with PyPI's grpcio and grpcio-health-checking. Started by run.sh."""

import faulthandler
import json
import os
import signal
import tempfile
import time
import unittest

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from process import Process

GRPC_HEALTH = os.environ["GRPC_HEALTH_BIN"]
FLIP_SERVER = os.environ["FLIP_SERVER_BIN"]

UNKNOWN = health_pb2.HealthCheckResponse.UNKNOWN
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

# How long anything may take that is waited for. Far longer than it takes; only a failure gets here.
PATIENCE = 20
# The whole run, should something hang where no deadline reaches.
faulthandler.dump_traceback_later(180, exit=True)


def request(name=""):
    return health_pb2.HealthCheckRequest(service=name)


class HealthTest(unittest.TestCase):
    def start(self, *command):
        process = Process(*command)
        self.addCleanup(process.close)
        return process

    def serve(self, *arguments):
        return self.start(GRPC_HEALTH, "serve", "--listen", "127.0.0.1:0", *arguments)

    def channel(self, target, options=()):
        channel = grpc.insecure_channel(target, options=list(options))
        self.addCleanup(channel.close)
        return channel

    def stub(self, server):
        return health_pb2_grpc.HealthStub(self.channel(server.address))

    def check(self, stub, name=""):
        return stub.Check(request(name), timeout=PATIENCE).status

    def watch(self, stub, name=""):
        call = stub.Watch(request(name), timeout=PATIENCE)
        self.addCleanup(call.cancel)
        return call

    def assert_ends(self, code, call):
        with self.assertRaises(grpc.RpcError) as raised:
            next(call)
        self.assertEqual(raised.exception.code(), code, raised.exception)


class Statuses(HealthTest):
    def test_check(self):
        arguments = ["--service", "a.A", "--service", "b=not-serving", "--service", "c=unknown"]
        stub = self.stub(self.serve(*arguments))
        self.assertEqual(self.check(stub), SERVING)
        self.assertEqual(self.check(stub, "a.A"), SERVING)
        self.assertEqual(self.check(stub, "b"), NOT_SERVING)
        self.assertEqual(self.check(stub, "c"), UNKNOWN)

    def test_check_of_an_unknown_name(self):
        stub = self.stub(self.serve("--service", "a"))
        for name in ["A", "a.", "ä"]:
            with self.assertRaises(grpc.RpcError) as raised:
                self.check(stub, name)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_list(self):
        arguments = ["--service", "b=not-serving", "--service", "a.A", "--service", "c=unknown"]
        reply = self.stub(self.serve(*arguments)).List(
            health_pb2.HealthListRequest(), timeout=PATIENCE
        )
        statuses = {name: entry.status for name, entry in reply.statuses.items()}
        expected = {"": SERVING, "a.A": SERVING, "b": NOT_SERVING, "c": UNKNOWN}
        self.assertEqual(statuses, expected)

    def test_list_of_more_services_than_it_holds(self):
        server = self.start(FLIP_SERVER)
        stub = self.stub(server)
        for i in range(99):
            server.send(f"set service.{i} serving")
        self.assertEqual(
            len(stub.List(health_pb2.HealthListRequest(), timeout=PATIENCE).statuses), 100
        )
        server.send("set service.99 serving")
        with self.assertRaises(grpc.RpcError) as raised:
            stub.List(health_pb2.HealthListRequest(), timeout=PATIENCE)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_every_thread_count_and_listener(self):
        server = self.serve("--threads", "2", "--listen", "[::1]:0")
        second = server.process.stdout.readline().removeprefix("listening on ").strip()
        for address in [server.address, second]:
            stub = health_pb2_grpc.HealthStub(self.channel(address))
            self.assertEqual(self.check(stub), SERVING)


class UnixSockets(HealthTest):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="grpc-health-")
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "health.sock")
        self.name = os.path.basename(directory.name)
        arguments = ["--unix", self.path, "--unix", "@" + self.name, "--service", "a.A"]
        self.server = self.start(GRPC_HEALTH, "serve", *arguments)
        self.assertEqual(self.server.address, "unix:" + self.path)
        self.paths = ["unix:" + self.path, "unix://" + self.path]
        self.abstract = "unix-abstract:" + self.name

    def test_check_and_watch(self):
        # grpcio sends the path as `:authority`, with %2F for each slash.
        for target in [*self.paths, self.abstract]:
            for options in [[], [("grpc.default_authority", "localhost")]]:
                with self.subTest(target, options=options):
                    stub = health_pb2_grpc.HealthStub(self.channel(target, options))
                    self.assertEqual(self.check(stub), SERVING)
                    watch = self.watch(stub, "a.A")
                    self.assertEqual(next(watch).status, SERVING)


class Watching(HealthTest):
    def test_flips(self):
        server = self.start(FLIP_SERVER)
        server.send("set svc serving")
        call = self.watch(self.stub(server), "svc")
        self.assertEqual(next(call).status, SERVING)
        server.send("set svc not-serving")
        self.assertEqual(next(call).status, NOT_SERVING)
        # The same again is no change: the next message is that of the next line.
        server.send("set svc not-serving")
        server.send("set svc unknown")
        self.assertEqual(next(call).status, UNKNOWN)
        server.send("set svc serving")
        self.assertEqual(next(call).status, SERVING)

    def test_an_unknown_name_that_is_registered_and_cleared(self):
        server = self.start(FLIP_SERVER)
        call = self.watch(self.stub(server), "late")
        self.assertEqual(next(call).status, SERVICE_UNKNOWN)
        server.send("set late serving")
        self.assertEqual(next(call).status, SERVING)
        server.send("clear late")
        self.assertEqual(next(call).status, SERVICE_UNKNOWN)
        server.send("set late not-serving")
        self.assertEqual(next(call).status, NOT_SERVING)

    def test_shutdown_and_resume(self):
        server = self.start(FLIP_SERVER)
        server.send("set svc serving")
        server.send("set broken unknown")
        stub = self.stub(server)
        svc, broken, overall = (self.watch(stub, name) for name in ["svc", "broken", ""])
        self.assertEqual(next(svc).status, SERVING)
        self.assertEqual(next(broken).status, UNKNOWN)
        self.assertEqual(next(overall).status, SERVING)
        server.send("shutdown")
        for call in [svc, broken, overall]:
            self.assertEqual(next(call).status, NOT_SERVING)
        server.send("resume")
        self.assertEqual(next(svc).status, SERVING)
        self.assertEqual(next(broken).status, UNKNOWN)
        self.assertEqual(next(overall).status, SERVING)

    def test_a_cancelled_watch_leaves_the_connection_usable(self):
        server = self.start(FLIP_SERVER)
        stub = self.stub(server)
        # More than the streams a connection may hold at a time.
        for _ in range(300):
            call = stub.Watch(request("svc"), timeout=PATIENCE)
            self.assertEqual(next(call).status, SERVICE_UNKNOWN)
            call.cancel()
        self.assertEqual(self.check(stub), SERVING)

    def test_deadline(self):
        call = self.stub(self.serve()).Watch(request(), timeout=0.3)
        self.assertEqual(next(call).status, SERVING)
        self.assert_ends(grpc.StatusCode.DEADLINE_EXCEEDED, call)


class Calls(HealthTest):
    def test_a_compressed_request(self):
        # Long and dull, or grpcio would find that compression does not pay.
        name = "a" * 150
        stub = self.stub(self.serve("--service", f"{name}=not-serving"))
        reply = stub.Check(request(name), compression=grpc.Compression.Gzip, timeout=PATIENCE)
        self.assertEqual(reply.status, NOT_SERVING)

    def test_an_unknown_method_and_an_unknown_service(self):
        channel = self.channel(self.serve().address)
        for path in ["/grpc.health.v1.Health/Nope", "/no.Service/Check"]:
            with self.assertRaises(grpc.RpcError) as raised:
                channel.unary_unary(path)(b"", timeout=PATIENCE)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_a_request_that_is_not_protobuf(self):
        channel = self.channel(self.serve().address)
        with self.assertRaises(grpc.RpcError) as raised:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff\xff", timeout=PATIENCE)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INTERNAL)

    def test_a_thousand_calls_one_after_the_other(self):
        stub = self.stub(self.serve())
        self.assertEqual([self.check(stub) for _ in range(1000)], [SERVING] * 1000)

    def test_a_hundred_calls_at_a_time(self):
        stub = self.stub(self.serve("--service", "b=not-serving"))
        calls = [
            stub.Check.future(request("b" if i % 2 else ""), timeout=PATIENCE) for i in range(100)
        ]
        self.assertEqual([call.result().status for call in calls], [SERVING, NOT_SERVING] * 50)


class Drain(HealthTest):
    def test_sigterm_with_an_open_watch(self):
        for number in [signal.SIGTERM, signal.SIGINT]:
            server = self.serve("--service", "svc")
            stub = self.stub(server)
            calls = [self.watch(stub, name) for name in ["svc", "", "absent"]]
            firsts = [next(call).status for call in calls]
            self.assertEqual(firsts, [SERVING, SERVING, SERVICE_UNKNOWN])
            server.process.send_signal(number)
            for call in calls[:2]:
                self.assertEqual(next(call).status, NOT_SERVING)
            for call in calls:
                self.assert_ends(grpc.StatusCode.UNAVAILABLE, call)
            self.assertEqual(server.process.wait(PATIENCE), 0)


class RoundRobin(HealthTest):
    """Client-side health checking (gRFC A17): the channel itself watches `svc` on each server."""

    def setUp(self):
        self.servers = {}
        for name in ["a", "b"]:
            self.servers[name] = self.start(FLIP_SERVER)
            # How a call tells which server answered it.
            self.servers[name].send(f"set who.{name} serving")
        target = "ipv4:" + ",".join(server.address for server in self.servers.values())
        config = {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": "svc"},
        }
        # By default grpcio sends both addresses, with a comma, as `:authority`.
        options = [("grpc.service_config", json.dumps(config))]
        self.stub = health_pb2_grpc.HealthStub(self.channel(target, options))

    def who(self):
        reply = self.stub.List(
            health_pb2.HealthListRequest(), timeout=PATIENCE, wait_for_ready=True
        )
        [name] = [name for name in reply.statuses if name.startswith("who.")]
        return name.removeprefix("who.")

    def wait_for(self, *names):
        """Calls until the last 20 calls were answered by exactly these servers, in turn."""
        latest = []
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            latest = [*latest[-19:], self.who()]
            if len(latest) == 20 and all(latest.count(name) == 20 // len(names) for name in names):
                return
        self.fail(f"waited for {names}, the latest calls were answered by {latest}")

    def test_the_channel_follows_a_flip(self):
        a, b = self.servers["a"], self.servers["b"]
        a.send("set svc serving")
        # On `b` the name is unknown as yet.
        self.wait_for("a")
        b.send("set svc serving")
        self.wait_for("a", "b")
        a.send("set svc not-serving")
        self.wait_for("b")
        a.send("set svc serving")
        self.wait_for("a", "b")
        b.send("shutdown")
        self.wait_for("a")
        b.send("resume")
        self.wait_for("a", "b")
        b.send("clear svc")
        self.wait_for("a")

    def test_no_server_is_serving(self):
        a, b = self.servers["a"], self.servers["b"]
        a.send("set svc serving")
        self.wait_for("a")
        b.send("set svc not-serving")
        a.send("set svc not-serving")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                self.stub.List(health_pb2.HealthListRequest(), timeout=PATIENCE)
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, error)
                break
        else:
            self.fail("calls still go through")
        b.send("set svc serving")
        self.wait_for("b")


if __name__ == "__main__":
    unittest.main()
