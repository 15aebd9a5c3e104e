"""Three servers behind Envoy, which checks their health and brings them calls. Started by run.sh."""

import json
import os
import re
import subprocess
import time
import unittest
import urllib.request

import grpc
from fleet import LONG, NAMES, SECONDS, SLACK, Fleet, Load, Temporary, until
from process import Process

ENVOY = os.environ["ENVOY"]
HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
PATIENCE = 60

INTERVAL = 1.0 if LONG else 0.25
THRESHOLD = 1
LINGER = INTERVAL * THRESHOLD + SLACK
# Envoy's default of `update_merge_window`: after one change of a cluster's hosts, the next ones reach the balancing this much later.
MERGE = 1.0


def cluster(name, addresses, service, interval=INTERVAL, threshold=THRESHOLD, **more):
    endpoints = []
    for address in addresses:
        host, port = address.rsplit(":", 1)
        socket = {"socket_address": {"address": host, "port_value": int(port)}}
        endpoints.append({"endpoint": {"address": socket}})
    check = {
        "timeout": "1s",
        "interval": f"{interval}s",
        "no_traffic_interval": f"{interval}s",
        "unhealthy_threshold": threshold,
        "healthy_threshold": 1,
        "grpc_health_check": {"service_name": service} if service else {},
    }
    protocol = {"@type": f"type.googleapis.com/{HTTP2}", "explicit_http_config": {"http2_protocol_options": {}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {HTTP2: protocol},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "health_checks": [check],
        **more,
    }


class Envoy:
    """An Envoy that listens on a Unix socket, and sends calls to the cluster `shop`."""

    def __init__(self, folder, clusters):
        self.socket = os.path.join(folder, "envoy")
        self.written = os.path.join(folder, "admin")
        route = {"match": {"prefix": "/"}, "route": {"cluster": "shop", "timeout": "0s"}}
        manager = {
            "@type": f"type.googleapis.com/{MANAGER}",
            "stat_prefix": "shop",
            "codec_type": "HTTP2",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [{"name": "router", "typed_config": {"@type": f"type.googleapis.com/{ROUTER}"}}],
        }
        listener = {
            "address": {"pipe": {"path": self.socket}},
            "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
        }
        admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
        config = {"admin": admin, "static_resources": {"listeners": [listener], "clusters": clusters}}
        self.log = open(os.path.join(folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [ENVOY, "--config-yaml", json.dumps(config), "--admin-address-path", self.written,
             "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"],
            stdout=subprocess.DEVNULL, stderr=self.log,
        )
        self.admin = until(self.started, self.said)

    def started(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Envoy ended: {self.said()}")
        try:
            with open(self.written, encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def page(self, path):
        with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=PATIENCE) as page:
            return page.read().decode()

    def flags(self, cluster):
        """The health flags of each endpoint, by its address."""
        found = re.findall(rf"^{cluster}::([\d.]+:\d+)::health_flags::(.+)$", self.page("/clusters"), re.MULTILINE)
        return dict(found)

    def wait_for(self, cluster, healthy):
        """Waits until exactly these addresses are healthy, and the others have failed a check."""
        def so():
            flags = self.flags(cluster)
            return flags and all(
                flag == ("healthy" if address in healthy else "/failed_active_hc") for address, flag in flags.items()
            )

        until(so, lambda: f"{healthy} in {self.flags(cluster)}; {self.said()}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Balanced(Temporary, unittest.TestCase):
    def fleet(self, *options):
        fleet = Fleet(*options)
        self.addCleanup(fleet.close)
        return fleet

    def envoy(self, clusters):
        envoy = Envoy(self.folder(), clusters)
        self.addCleanup(envoy.close)
        return envoy

    def channel(self, envoy):
        channel = grpc.insecure_channel(f"unix:{envoy.socket}")
        self.addCleanup(channel.close)
        return channel

    def test_every_flip_shows_with_the_next_check(self):
        """The threshold is for checks that get no answer: a server that says NOT_SERVING is out at once."""
        fleet = self.fleet()
        # With a check each quarter of a second, no test would live to see this threshold.
        threshold, interval = 1000, 0.25
        every = fleet.addresses()
        services = {"whole": "", "shop": "shop"}
        envoy = self.envoy([
            cluster(name, every, service, interval, threshold) for name, service in services.items()
        ])
        for name in services:
            envoy.wait_for(name, every)
        times = []
        for name, service in services.items():
            other = next(other for other in services if other != name)
            for server in NAMES:
                began = time.monotonic()
                fleet[server].set(service, "not-serving")
                envoy.wait_for(name, [address for address in every if address != fleet[server].address])
                times.append(time.monotonic() - began)
                # The other service is another matter.
                self.assertEqual(set(envoy.flags(other).values()), {"healthy"})
                began = time.monotonic()
                fleet[server].set(service, "serving")
                envoy.wait_for(name, every)
                times.append(time.monotonic() - began)
        print(f"envoy: {len(times)} flips, each shown within {max(times):.2f} s; checks each {interval} s")

    def roll(self, linger, **more):
        """Restarts each server under 500 calls a second, when the one before is healthy again. Returns the errors."""
        rounds = max(1, round(SECONDS / 15))
        fleet = self.fleet(f"linger={round(linger * 1000)}")
        envoy = self.envoy([cluster("shop", fleet.addresses(), "shop", **more)])
        envoy.wait_for("shop", fleet.addresses())
        load = Load(self.channel(envoy), rate=500)
        load.wait_for(*NAMES)
        for _ in range(rounds):
            for name in NAMES:
                fleet.restart(name)
                envoy.wait_for("shop", fleet.addresses())
                load.wait_answer(name)
        calls, errors = load.end()
        print(f"envoy: {3 * rounds} restarts, checks each {INTERVAL} s, linger {linger} s, {more}: {len(errors)} of {calls} calls failed")
        return errors

    def test_a_rolling_restart_fails_no_call(self):
        self.assertEqual(self.roll(LINGER + MERGE), [])

    def test_a_rolling_restart_fails_no_call_without_a_merge_window(self):
        self.assertEqual(self.roll(LINGER, common_lb_config={"update_merge_window": "0s"}), [])

    def test_a_restart_without_a_linger_time_fails_calls(self):
        # What the warning of the command is about. Each server is down until Envoy has noticed.
        fleet = self.fleet()
        every = fleet.addresses()
        envoy = self.envoy([cluster("shop", every, "shop")])
        envoy.wait_for("shop", every)
        load = Load(self.channel(envoy), rate=500)
        load.wait_for(*NAMES)

        def restart():
            for name in NAMES:
                address = fleet[name].address
                fleet.restart(name, lambda: envoy.wait_for("shop", [other for other in every if other != address]))
                envoy.wait_for("shop", every)
            return load.errors

        until(restart, "a call that fails")
        calls, errors = load.end()
        print(f"envoy: without a linger time {len(errors)} of {calls} calls failed, such as {errors[0]}")

    def test_the_command_warns_of_a_drain_at_once(self):
        command = [os.environ["GRPC_HEALTH_BIN"], "serve", "--listen", "127.0.1.1:0"]
        server = Process(*command, stderr=subprocess.PIPE)
        self.addCleanup(server.close)
        envoy = self.envoy([cluster("shop", [server.address], "")])
        envoy.wait_for("shop", [server.address])
        server.process.terminate()
        said = server.process.stderr.read()
        self.assertEqual(server.process.wait(PATIENCE), 0)
        server.process.stderr.close()
        self.assertRegex(said, r"\Adraining\nwarning: the server drains at once, but Envoy checked it: .*\n\Z")

    def test_calls_outlive_connections(self):
        """Envoy gets a GOAWAY on each connection every half second."""
        fleet = self.fleet("age=500")
        envoy = self.envoy([cluster("shop", fleet.addresses(), "shop")])
        envoy.wait_for("shop", fleet.addresses())
        load = Load(self.channel(envoy), rate=500)
        until(lambda: load.calls() >= 2000, load.calls)
        calls, errors = load.end()
        self.assertEqual(errors, [])
        envoy.close()
        counted = fleet.end()
        self.assertGreaterEqual(counted["connections"], 9)
        self.assertEqual(counted["connection_errors"], 0)
        print(f"envoy: {calls} calls over {counted['connections']} connections, none failed")
