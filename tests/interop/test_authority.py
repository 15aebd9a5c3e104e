"""What clients and proxies send as `:authority`: the real Envoy checks the built server. Started by run.sh."""

import json
import os
import re
import subprocess
import tempfile
import time
import unittest
import urllib.request

from process import Process

ENVOY = os.environ["ENVOY"]
FLIP_SERVER = os.environ["FLIP_SERVER_BIN"]

# How long a state is waited for. Far longer than it takes; only a failure gets here.
PATIENCE = 30

# Envoy's gRPC health check sends the name of the cluster as `:authority`. These are as Istio, Envoy Gateway and Consul name theirs.
CLUSTERS = [
    "outbound|50051||shop.default.svc.cluster.local",
    "httproute/shop/cart/rule/0",
    "default/shop/50051/x",
]


def cluster(name, host, port):
    address = {"socket_address": {"address": host, "port_value": port}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "health_checks": [
            {
                "timeout": "5s",
                "interval": "0.1s",
                "no_traffic_interval": "0.1s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "grpc_health_check": {"service_name": "shop"},
            }
        ],
    }


class Envoy:
    """An Envoy that has clusters, and nothing that anybody could send a request to but its admin pages."""

    def __init__(self, directory, clusters):
        address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
        config = {"admin": {"address": address}, "static_resources": {"clusters": clusters}}
        written = os.path.join(directory, "admin")
        arguments = ["--config-yaml", json.dumps(config), "--admin-address-path", written]
        arguments += ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
        self.log = open(os.path.join(directory, "log"), "w+")
        self.process = subprocess.Popen(
            [ENVOY, *arguments], stdout=subprocess.DEVNULL, stderr=self.log
        )
        self.written = written

    def admin(self):
        """The address of the admin pages, once there is one."""
        try:
            with open(self.written) as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    def flags(self):
        """The health flags of each cluster's one endpoint."""
        admin = self.admin()
        if not admin:
            return {}
        try:
            with urllib.request.urlopen(f"http://{admin}/clusters", timeout=PATIENCE) as page:
                lines = page.read().decode().splitlines()
        except OSError:
            return {}
        matches = [re.fullmatch(r"(.+)::[^:]+:\d+::health_flags::(.+)", line) for line in lines]
        return {match[1]: match[2] for match in matches if match}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Proxies(unittest.TestCase):
    def wait_for(self, envoy, flags):
        deadline = time.monotonic() + PATIENCE
        seen = {}
        while time.monotonic() < deadline:
            seen = envoy.flags()
            if seen and all(seen.get(name) == flags for name in CLUSTERS):
                return
            self.assertIsNone(envoy.process.poll(), "Envoy ended")
            time.sleep(0.05)
        envoy.log.seek(0)
        self.fail(f"waited for {flags}, the latest were {seen}; {envoy.log.read()}")

    def test_envoys_health_checks(self):
        server = Process(FLIP_SERVER)
        self.addCleanup(server.close)
        server.send("set shop serving")
        directory = tempfile.TemporaryDirectory(prefix="grpc-health-")
        self.addCleanup(directory.cleanup)
        host, port = server.address.rsplit(":", 1)
        envoy = Envoy(directory.name, [cluster(name, host, int(port)) for name in CLUSTERS])
        self.addCleanup(envoy.close)
        self.wait_for(envoy, "healthy")
        server.send("set shop not-serving")
        self.wait_for(envoy, "/failed_active_hc")
        server.send("set shop serving")
        self.wait_for(envoy, "healthy")
