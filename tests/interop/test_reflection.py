"""Server reflection, with grpcio-reflection's client and with grpcurl. Started by run.sh."""

import json
import os
import subprocess
import types

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_reflection.v1alpha.reflection_pb2 import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)
from test_health import PATIENCE, HealthTest

GRPCURL = os.environ["GRPCURL"]
REFLECTION = os.environ["REFLECTION_BIN"]

OWN = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
]
VERSIONS = ["v1", "v1alpha"]


def asker(channel, version):
    """A stub of either version: grpcio-reflection has the messages of one, and they are the same."""
    return channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )


class Database(ProtoReflectionDescriptorDatabase):
    """The client of either version."""

    def __init__(self, channel, version):
        super().__init__(channel)
        ask = asker(channel, version)
        self._stub = types.SimpleNamespace(
            ServerReflectionInfo=lambda requests: ask(requests, timeout=PATIENCE)
        )


class Reflection(HealthTest):
    def each_version(self, server, check):
        for version in VERSIONS:
            with self.subTest(version):
                check(Database(self.channel(server.address), version))

    def call(self, channel, pool, method, **fields):
        """A unary call by nothing but what the pool knows of the method."""
        method = pool.FindMethodByName(method)
        reply = GetMessageClass(method.output_type)
        invoke = channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        return invoke(GetMessageClass(method.input_type)(**fields), timeout=PATIENCE)

    def test_the_commands_services(self):
        server = self.serve("--reflection", "--service", "a=not-serving")

        def check(database):
            self.assertEqual(database.get_services(), OWN)
            pool = DescriptorPool(database)
            for name in OWN:
                pool.FindServiceByName(name)
            channel = self.channel(server.address)
            reply = self.call(channel, pool, "grpc.health.v1.Health.Check", service="a")
            values = reply.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number
            self.assertEqual(values[reply.status].name, "NOT_SERVING")

        self.each_version(server, check)

    def test_without_the_flag(self):
        server = self.serve()

        def check(database):
            with self.assertRaises(grpc.RpcError) as raised:
                database.get_services()
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

        self.each_version(server, check)

    def test_an_applications_service(self):
        server = self.start(REFLECTION)

        def check(database):
            self.assertEqual(database.get_services(), [*OWN, "shop.Shop"])
            pool = DescriptorPool(database)
            price = pool.FindMethodByName("shop.Shop.Price")
            self.assertEqual(price.input_type.full_name, "shop.Item")
            channel = self.channel(server.address)
            self.assertEqual(self.call(channel, pool, price.full_name, name="tea").cents, 450)

        self.each_version(server, check)

    def test_extensions(self):
        server = self.start(REFLECTION)
        options = "google.protobuf.MethodOptions"

        def check(database):
            self.assertEqual(database.FindAllExtensionNumbers(options), [50000])
            self.assertEqual(database.FindAllExtensionNumbers("shop.Item"), [])
            pool = DescriptorPool(database)
            extended = pool.FindMessageTypeByName(options)
            shelf = pool.FindExtensionByName("shop.shelf")
            self.assertEqual((shelf.number, shelf.containing_type), (50000, extended))
            # The option's value has come through, though the server knows nothing of it.
            method = pool.FindFileByName("shop/shop.proto").services_by_name["Shop"].methods[0]
            value = GetMessageClass(extended).FromString(method.GetOptions().SerializeToString())
            self.assertEqual(value.Extensions[shelf], "third from the left")

        self.each_version(server, check)

    def test_what_is_not_there(self):
        server = self.serve("--reflection")

        def check(database):
            for ask in [
                lambda: database.FindFileByName("none.proto"),
                lambda: database.FindFileContainingSymbol("none.None"),
                lambda: database.FindAllExtensionNumbers("none.None"),
            ]:
                self.assertRaises(KeyError, ask)

        self.each_version(server, check)

    def test_many_questions_of_one_stream(self):
        server = self.start(REFLECTION)
        extension = ExtensionRequest(
            containing_type="google.protobuf.MethodOptions", extension_number=50000
        )
        requests = [
            ServerReflectionRequest(host="a", file_by_filename="shop/options.proto"),
            ServerReflectionRequest(host="b", file_containing_symbol="none.None"),
            ServerReflectionRequest(host="c", file_containing_symbol="shop.Item.name"),
            ServerReflectionRequest(host="d", file_containing_extension=extension),
            ServerReflectionRequest(host="e"),
        ]
        for version in VERSIONS:
            with self.subTest(version):
                ask = asker(self.channel(server.address), version)
                answers = list(ask(iter(requests), timeout=PATIENCE))
                self.assertEqual([answer.original_request for answer in answers], requests)
                self.assertEqual([answer.valid_host for answer in answers], list("abcde"))
                files = [len(a.file_descriptor_response.file_descriptor_proto) for a in answers]
                self.assertEqual(files, [2, 0, 1, 1, 0])
                codes = [answer.error_response.error_code for answer in answers]
                self.assertEqual(codes, [0, 5, 0, 0, 3])


class Grpcurl(HealthTest):
    """grpcurl 1.8.6 asks by v1alpha; v1 is called as a service like any other."""

    def grpcurl(self, server, *arguments, options=(), code=0):
        done = subprocess.run(
            [GRPCURL, "-plaintext", "-max-time", str(PATIENCE), *options, server.address, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def test_list(self):
        server = self.start(REFLECTION)
        self.assertEqual(self.grpcurl(server, "list").split(), [*OWN, "shop.Shop"])
        methods = self.grpcurl(server, "list", "grpc.health.v1.Health").split()
        self.assertEqual(methods, [f"grpc.health.v1.Health.{m}" for m in ["Check", "List", "Watch"]])

    def test_describe(self):
        server = self.start(REFLECTION)
        described = self.grpcurl(server, "describe")
        for name in [*OWN, "shop.Shop"]:
            self.assertIn(f"{name} is a service:", described)
        described = self.grpcurl(server, "describe", "shop.Shop.Price")
        self.assertIn("What an item costs.", described)
        self.assertIn('option (.shop.shelf) = "third from the left";', described)
        self.assertIn("rpc Price ( .shop.Item ) returns ( .shop.Money )", described)
        self.assertIn("string shelf = 50000;", self.grpcurl(server, "describe", "shop.shelf"))
        none = self.grpcurl(server, "describe", "none.None", code=1)
        self.assertIn("Symbol not found: none.None", none)

    def test_calls(self):
        server = self.start(REFLECTION)
        reply = self.grpcurl(server, "grpc.health.v1.Health/Check")
        self.assertEqual(json.loads(reply), {"status": "SERVING"})
        reply = self.grpcurl(server, "shop.Shop/Price", options=["-d", '{"name": "tea"}'])
        self.assertEqual(json.loads(reply), {"cents": "450"})
        # 64 and the code of the status, NOT_FOUND.
        self.grpcurl(server, "shop.Shop/Price", options=["-d", '{"name": "gold"}'], code=64 + 5)

    def test_the_command(self):
        server = self.serve("--reflection", "--service", "a=not-serving")
        self.assertEqual(self.grpcurl(server, "list").split(), OWN)
        reply = self.grpcurl(
            server, "grpc.health.v1.Health/Check", options=["-d", '{"service": "a"}']
        )
        self.assertEqual(json.loads(reply), {"status": "NOT_SERVING"})

    def test_version_1(self):
        server = self.serve("--reflection")
        for version in VERSIONS:
            reply = self.grpcurl(
                server,
                f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                options=["-d", '{"list_services": ""}'],
            )
            services = json.loads(reply)["listServicesResponse"]["service"]
            self.assertEqual([service["name"] for service in services], OWN)
