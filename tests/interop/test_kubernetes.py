"""The manifests of examples/kubernetes: valid, and right about their times; and a server under the kubelet's probes. Started by run.sh."""

import collections
import glob
import os
import re
import subprocess
import unittest
import urllib.request

import kubernetes_validate
import yaml
from fleet import PATIENCE, Temporary, until
from kubelet import Probe, probe
from process import Process

GRPC_HEALTH = os.environ["GRPC_HEALTH_BIN"]
FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "kubernetes")
# The oldest version that has all of it, and the newest that there are schemas of.
VERSIONS = ["1.31", "1.37"]
UNITS = {"ms": 0.001, "s": 1, "m": 60}
KINDS = ["startupProbe", "livenessProbe", "readinessProbe"]


def documents():
    """Each document of each file, with the name of the file."""
    for path in sorted(glob.glob(f"{FOLDER}/*.yaml")):
        with open(path, encoding="utf-8") as file:
            for document in yaml.safe_load_all(file):
                yield os.path.basename(path), document


def pods():
    """The specification of each Deployment's pods."""
    return [
        (name, document["spec"]["template"]["spec"]) for name, document in documents() if document["kind"] == "Deployment"
    ]


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * UNITS[unit]


def options(container):
    """The values of each argument of `grpc-health serve`, if that is what the container runs."""
    found = collections.defaultdict(list)
    if container.get("command") == ["grpc-health", "serve"]:
        for argument in container["args"]:
            name, value = argument.removeprefix("--").split("=", 1)
            found[name].append(value)
    return found


def served(arguments):
    """The services that the arguments name."""
    names = [value.split("=")[0] for value in arguments["service"]]
    names += [re.split(r"[\[=]", value)[0] for kind in ["check", "group", "lease"] for value in arguments[kind]]
    return {"", *names}


def service(spec):
    """The service that a probe asks for."""
    if "grpc" in spec:
        return spec["grpc"].get("service", "")
    (name,) = [word.removeprefix("-service=") for word in spec["exec"]["command"] if word.startswith("-service=")]
    return name


class Manifests(unittest.TestCase):
    def test_every_document_is_valid(self):
        count = 0
        for name, document in documents():
            for version in VERSIONS:
                with self.subTest(name, kind=document["kind"], version=version):
                    kubernetes_validate.validate(document, version, strict=True)
            count += 1
        self.assertGreaterEqual(count, 7)

    def test_the_schemas_refuse_a_field_that_is_not_there(self):
        _, document = next(documents())
        document["spec"]["template"]["spec"]["containers"][0]["readinessProbes"] = {}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(document, VERSIONS[0], strict=True)

    def test_each_probe_asks_for_a_service_that_there_is_on_a_port_that_is_open(self):
        for name, pod in pods():
            servers = [options(container) for container in containers(pod)]
            names = set().union(*(served(server) for server in servers if server))
            listens = {value.rsplit(":", 1)[1] for server in servers for value in server["listen"] + server["listen-plain"]}
            plain = {
                value.rsplit(":", 1)[1] for server in servers
                for value in server["listen-plain"] + ([] if server["tls-cert"] else server["listen"])
            }
            ports = {str(port["containerPort"]) for container in containers(pod) for port in container["ports"]}
            for container in containers(pod):
                for kind in KINDS:
                    spec = container.get(kind)
                    if spec is None:
                        continue
                    with self.subTest(name, container=container["name"], kind=kind):
                        self.assertIn(service(spec), names)
                        self.assertLessEqual(spec.get("timeoutSeconds", 1), spec["periodSeconds"])
                        if "grpc" in spec:
                            self.assertIn(str(spec["grpc"]["port"]), plain & ports)
                        else:
                            (address,) = [word for word in spec["exec"]["command"] if word.startswith("-addr=")]
                            self.assertIn(address.rsplit(":", 1)[1], listens)

    def test_liveness_is_pinned_and_not_readiness(self):
        for name, pod in pods():
            for container in containers(pod):
                arguments = options(container)
                if not arguments:
                    continue
                with self.subTest(name, container=container["name"]):
                    live, ready = service(container["livenessProbe"]), service(container["readinessProbe"])
                    self.assertNotEqual(live, ready)
                    self.assertIn(live, arguments["pin"])
                    self.assertNotIn(ready, arguments["pin"])
                    self.assertEqual(service(container["startupProbe"]), live)

    def test_the_linger_time_outlasts_the_readiness_probes(self):
        for name, pod in pods():
            for container in containers(pod):
                arguments, spec = options(container), container.get("readinessProbe")
                if arguments:
                    with self.subTest(name, container=container["name"]):
                        (linger,) = arguments["drain-linger"]
                        self.assertGreaterEqual(seconds(linger), spec["periodSeconds"] * spec["failureThreshold"] + 0.5)

    def test_the_grace_period_outlasts_preStop_linger_and_deadline(self):
        for name, pod in pods():
            with self.subTest(name):
                stops = [container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}) for container in containers(pod)]
                needed = max(stop.get("seconds", 0) for stop in stops)
                self.assertGreater(needed, 0)
                for container in containers(pod):
                    arguments = options(container)
                    needed += sum(seconds(arguments[key][0]) for key in ["drain-linger", "drain-deadline"] if arguments)
                # And a second in which the process ends.
                self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], needed + 1)


class Kubelet(Temporary, unittest.TestCase):
    """The first container of deployment.yaml, from before its start to its end. The probes follow each other faster than on a node."""

    def setUp(self):
        (pod,) = [pod for name, pod in pods() if name == "deployment.yaml"]
        (self.container,) = pod["containers"]
        self.control = os.path.join(self.folder(), "control")

    def start(self, address):
        arguments = [word.replace(":50051", address) for word in self.container["args"]]
        extra = ["--control", self.control, "--metrics", "127.0.0.1:0"]
        server = Process(GRPC_HEALTH, "serve", *arguments, *extra)
        self.addCleanup(server.close)
        return server

    def set_readiness(self, status):
        subprocess.run([GRPC_HEALTH, "set", "--control", self.control, "readiness", status], check=True)

    def probes(self, address):
        return {kind: Probe(self.container[kind], address, result=kind == "livenessProbe") for kind in KINDS}

    def test_from_start_to_drain(self):
        address = "127.0.2.1:50051"
        probes = self.probes(address)
        startup, liveness, readiness = (probes[kind] for kind in KINDS)
        self.assertFalse(startup.tick())
        self.assertIn("Connection refused", startup.said[-1])
        server = self.start(address)
        page = server.process.stdout.readline().removeprefix("metrics on ").strip()
        until(startup.tick, startup.said)
        until(readiness.tick, readiness.said)
        self.set_readiness("not-serving")
        until(lambda: not readiness.tick(), readiness.said)
        self.assertEqual(readiness.said[-1], 'service unhealthy (responded with "NOT_SERVING")')
        self.assertTrue(liveness.tick())
        self.set_readiness("serving")
        until(readiness.tick, readiness.said)
        # Every probe is counted as the kubelet's. None has looked like an error, whatever its socket did.
        before = sum(len(probe.said) for probe in probes.values())
        metrics = self.metrics(page)
        checks = sum(value for name, value in metrics.items() if 'prober="kube-probe"' in name)
        refused = sum("refused" in said for probe in probes.values() for said in probe.said)
        self.assertEqual(checks, before - refused)
        closed = {name: value for name, value in metrics.items() if name.startswith("grpc_health_connections_closed") and value}
        self.assertEqual(list(closed), ['grpc_health_connections_closed{reason="client"}'])
        server.process.terminate()
        until(lambda: not readiness.tick(), readiness.said)
        # Alive for as long as it drains.
        self.assertEqual(readiness.said[-1], 'service unhealthy (responded with "NOT_SERVING")')
        self.assertTrue(liveness.tick())
        self.assertEqual(liveness.said[-1], "service healthy")
        self.assertIsNone(server.process.poll(), "the linger time outlasts the readiness probes")
        self.assertEqual(server.process.wait(60), 0)
        self.assertFalse(readiness.tick())
        counts = {kind: len(probe.said) for kind, probe in probes.items()}
        print(f"kubelet: {counts} probes through start, not ready, ready and drain; exit code 0")

    def metrics(self, page):
        with urllib.request.urlopen(page, timeout=60) as text:
            lines = [line.rsplit(" ", 1) for line in text.read().decode().splitlines() if line and line[0] != "#"]
        return {name: float(value) for name, value in lines}

    def test_an_unknown_service_and_a_server_that_says_nothing_fail(self):
        server = self.start("127.0.2.2:50051")
        self.assertEqual(probe(server.address, "liveness"), "service healthy")
        self.assertIn("failed: b'5'", probe(server.address, "nope"))
        import socket

        with socket.create_server(("127.0.2.3", 0)) as mute:
            address = "{}:{}".format(*mute.getsockname())
            self.assertIn("timeout: ", probe(address, "", budget=0.1))


class ExecProbes(Temporary, unittest.TestCase):
    """The container of exec-probe.yaml and the commands of its probes, as they are in the file but for the address and the folders."""

    def setUp(self):
        (pod,) = [pod for name, pod in pods() if name == "exec-probe.yaml"]
        (self.container,) = pod["containers"]
        self.tls = self.folder()
        self.issue("ca", "shop-exec-ca", "CA:TRUE")
        self.issue("tls", "shop-exec", "CA:FALSE", "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:shop-exec")

    def issue(self, file, name, constraint, *options):
        """A certificate for both ends: its key is used for no purpose in particular."""
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        command += ["-subj", f"/CN={name}", "-addext", f"basicConstraints=critical,{constraint}", *options]
        command += ["-keyout", f"{file}.key", "-out", f"{file}.crt"]
        subprocess.run(command, cwd=self.tls, check=True, capture_output=True)

    def words(self, words):
        """The command with the address and the folder of the test."""
        changes = {"127.0.0.1:50051": "127.0.2.4:50051", "=:50051": "=127.0.2.4:50051", "/etc/tls": self.tls}
        words = [GRPC_HEALTH if word == "grpc-health" else word for word in words]
        for old, new in changes.items():
            words = [word.replace(old, new) for word in words]
        return words

    def probe(self, kind):
        """The exit code, and what the kubelet writes into the events of the pod."""
        spec = self.container[kind]
        command = self.words(spec["exec"]["command"])
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        return ended.returncode, ended.stderr

    def test_from_start_to_drain(self):
        code, said = self.probe("startupProbe")
        self.assertEqual((code, "refused" in said), (2, True), said)
        server = Process(*self.words(self.container["command"] + self.container["args"]))
        self.addCleanup(server.close)
        for kind in KINDS:
            self.assertEqual(self.probe(kind), (0, "status: SERVING\n"), kind)
        server.process.terminate()
        until(lambda: self.probe("readinessProbe")[0] != 0, lambda: self.probe("readinessProbe"))
        code, said = self.probe("readinessProbe")
        self.assertEqual((code, "NOT_SERVING" in said), (4, True), said)
        self.assertEqual(self.probe("livenessProbe"), (0, "status: SERVING\n"))
        self.assertEqual(server.process.wait(PATIENCE), 0)
        print("kubelet: the exec probes ended with 2 before the start, 0, and 4 (readiness) and 0 (liveness) in the drain; exit code 0")
