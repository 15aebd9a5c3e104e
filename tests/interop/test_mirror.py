"""grpcio against a listener that mirrors statuses in the code of Check, has an alias and reads the service's name from a header. Started by
run.sh."""

import os
import unittest

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from process import Process

PATIENCE = 20
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def request(name=""):
    return health_pb2.HealthCheckRequest(service=name)


class Mirror(unittest.TestCase):
    def channel(self, *options):
        server = Process(
            os.environ["GRPC_HEALTH_BIN"], "serve", "--listen", "127.0.0.1:0", "--service", "up", "--service", "down=not-serving", *options,
        )
        self.addCleanup(server.close)
        channel = grpc.insecure_channel(server.address)
        self.addCleanup(channel.close)
        return channel

    def outcome(self, call, *arguments, **options):
        """The status of the answer, or the code and the message of the error."""
        try:
            return call(*arguments, timeout=PATIENCE, **options).status
        except grpc.RpcError as error:
            return error.code(), error.details()

    def test_check_mirrors_the_status_and_watch_does_not(self):
        stub = health_pb2_grpc.HealthStub(self.channel("--mirror"))
        self.assertEqual(self.outcome(stub.Check, request("up")), SERVING)
        self.assertEqual(self.outcome(stub.Check, request("down")), (grpc.StatusCode.UNAVAILABLE, "NOT_SERVING"))
        self.assertEqual(self.outcome(stub.Check, request("none"))[0], grpc.StatusCode.NOT_FOUND)
        watch = stub.Watch(request("down"), timeout=PATIENCE)
        self.addCleanup(watch.cancel)
        self.assertEqual(next(watch).status, NOT_SERVING)

    def test_a_mirrored_status_has_its_reason_in_the_trailers(self):
        check = ["--mirror", "--reasons", "--check", "api[first=not-serving,period=50ms]=exec:false"]
        stub = health_pb2_grpc.HealthStub(self.channel(*check))
        call = stub.Check.future(request("api"), timeout=PATIENCE)
        self.assertEqual(call.code(), grpc.StatusCode.UNAVAILABLE)
        names = [name for name, _ in call.trailing_metadata()]
        self.assertIn("health-since-ms", names)

    def test_an_alias_and_a_header_name_the_service(self):
        channel = self.channel("--alias", "/AWS.ALB/healthcheck=down", "--service-header", "x-service")
        alias = channel.unary_unary(
            "/AWS.ALB/healthcheck",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self.assertEqual(self.outcome(alias, request("up")), NOT_SERVING)
        stub = health_pb2_grpc.HealthStub(channel)
        self.assertEqual(self.outcome(stub.Check, request("up"), metadata=[("x-service", "down")]), NOT_SERVING)
        self.assertEqual(self.outcome(stub.Check, request("up")), SERVING)


if __name__ == "__main__":
    unittest.main()
