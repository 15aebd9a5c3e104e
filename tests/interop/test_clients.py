"""The health checking of gRPC's clients themselves (gRFC A17), over three servers that flip and restart. Started by run.sh.

The channels have a service config, and no other argument.
"""

import json
import os
import random
import subprocess
import threading
import time
import unittest

import grpc
from fleet import NAMES, SECONDS, Fleet, Load, Temporary, until

CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": "shop"},
}
SEED = 20260807


class JsLoad(Load):
    """The calls that grpc-js makes, in a process of its own."""

    def __init__(self, target, rate, method="/test.Fleet/Who"):
        script = os.path.join(os.path.dirname(__file__), "caller.js")
        self.node = subprocess.Popen(
            ["node", script, target, json.dumps(CONFIG), str(rate), method],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.prepare([threading.Thread(target=self.read, daemon=True)])

    def read(self):
        for line in self.node.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            self.note(*((None, rest) if word == "error" else (word, None)))

    def end(self):
        self.node.stdin.close()
        counted = super().end()
        self.node.wait()
        self.node.stdout.close()
        return counted


class Clients(Temporary, unittest.TestCase):
    def fleet(self, *options, **places):
        fleet = Fleet(*options, **places)
        self.addCleanup(fleet.close)
        return fleet

    def grpcio(self, target, rate):
        channel = grpc.insecure_channel(target, options=[("grpc.service_config", json.dumps(CONFIG))])
        self.addCleanup(channel.close)
        return Load(channel, rate)

    @staticmethod
    def target(fleet):
        return "ipv4:" + ",".join(fleet.addresses())

    def test_grpcio_follows_random_flips_and_restarts(self):
        """One server in four steps restarts, the others flip, and at least one is SERVING all the time."""
        fleet, chance = self.fleet(), random.Random(SEED)
        load = self.grpcio(self.target(fleet), rate=300)
        load.wait_for(*NAMES)
        serving, flips, restarts = set(NAMES), 0, 0
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            name = chance.choice(NAMES)
            others = serving - {name}
            if not others:
                continue
            if chance.random() < 0.25:
                fleet.restart(name)
                serving = others | {name}
                restarts += 1
            else:
                status = "not-serving" if name in serving else "serving"
                fleet[name].set("shop", status)
                serving = serving ^ {name}
                flips += 1
            load.wait_for(*serving)
        calls, errors = load.end()
        self.assertEqual(errors, [])
        counted = fleet.end()
        # One Watch for each connection, which stays open through all flips.
        self.assertEqual(counted["watches"], 3 + restarts)
        self.assertEqual(counted["connections"], 3 + restarts)
        self.assertEqual(counted["connection_errors"], 0)
        print(
            f"grpcio: {calls} calls in {SECONDS:.0f} s, {flips} flips, {restarts} restarts, none failed; "
            f"{counted['watches']:.0f} Watches, {counted['connections']} connections"
        )

    def test_grpcio_over_unix_sockets(self):
        folder = self.folder()
        fleet = self.fleet(places=[f"unix:{folder}/{name}" for name in NAMES])
        for name in NAMES:
            load = self.grpcio(fleet[name].address, rate=100)
            load.wait_answer(name)
            self.assertEqual(load.errors, [])
            fleet[name].set("shop", "not-serving")
            # Without another server the policy has nobody to send a call to.
            until(lambda: load.errors, "a call that fails")
            fleet[name].set("shop", "serving")
            load.wait_answer(name)
            _, errors = load.end()
            self.assertEqual({error.split(":")[0] for error in errors}, {"UNAVAILABLE"})
        counted = fleet.end()
        self.assertEqual((counted["watches"], counted["connections"]), (3, 3))

    def test_grpc_js_ignores_statuses(self):
        """grpc-js has no health checking: it sends calls to servers that say that they do not serve, and never watches."""
        fleet = self.fleet()
        load = JsLoad(self.target(fleet), rate=300)
        load.wait_for(*NAMES)
        for name in NAMES:
            fleet[name].set("shop", "not-serving")
            fleet[name].set("", "not-serving")
        load.wait_for(*NAMES)
        calls, errors = load.end()
        self.assertEqual(errors, [])
        counted = fleet.end()
        self.assertEqual((counted["watches"], counted["connections"]), (0, 3))
        print(f"grpc-js: {calls} calls, all servers NOT_SERVING for some, none failed, no Watch")

    def test_grpc_js_through_restarts(self):
        """A restart fails no call all the same: grpc-js leaves at the GOAWAY, and the server answers what has begun."""
        fleet = self.fleet()
        load = JsLoad(self.target(fleet), rate=300)
        load.wait_for(*NAMES)
        deadline = time.monotonic() + SECONDS / 3
        restarts = 0
        while time.monotonic() < deadline:
            name = NAMES[restarts % 3]
            fleet.restart(name)
            restarts += 1
            load.wait_for(*NAMES)
        calls, errors = load.end()
        self.assertEqual(errors, [])
        counted = fleet.end()
        self.assertEqual((counted["watches"], counted["connection_errors"]), (0, 0))
        print(f"grpc-js: {calls} calls, {restarts} restarts, none failed, {counted['connections']} connections")

    def test_grpc_js_over_unix_sockets(self):
        folder = self.folder()
        fleet = self.fleet(places=[f"unix:{folder}/{name}" for name in NAMES])
        for name in NAMES:
            load = JsLoad(fleet[name].address, rate=100)
            load.wait_answer(name)
            fleet.restart(name)
            load.wait_answer(name)
            calls, errors = load.end()
            # There is no other server while this one is down.
            self.assertLessEqual({error.split(":")[0] for error in errors}, {"UNAVAILABLE"})
        self.assertEqual(fleet.end()["watches"], 0)
