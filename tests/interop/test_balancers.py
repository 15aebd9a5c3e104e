"""Three servers behind nginx and behind HAProxy: ages of connections, rolling restarts. Started by run.sh."""

import os
import socket
import subprocess
import unittest

import grpc
from fleet import LONG, NAMES, SECONDS, SLACK, Fleet, Load, Temporary, until
from hpack import Encoder
from hyperframe.frame import DataFrame, HeadersFrame, SettingsFrame
from nginx import HEAD

PATIENCE = 60

NGINX = HEAD + """
    upstream fleet {{
{servers}
        keepalive 16;
    }}
    server {{
        listen unix:{folder}/socket http2;
        location / {{
            grpc_pass grpc://fleet;
            grpc_read_timeout 60s;
        }}
    }}
}}
"""

HAPROXY = """
global
    stats socket {folder}/stats mode 600
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend calls
    bind unix@{folder}/socket proto h2
    default_backend fleet
backend fleet
    balance roundrobin
    # A call that no server has begun goes to another one.
    retries 3
    option redispatch 1
{check}
{servers}
"""

BY_STATUS = """    option httpchk
    http-check send meth POST uri /grpc.health.v1.Health/Check ver HTTP/2 hdr content-type application/grpc hdr x-service shop
    http-check expect hdr name grpc-status value 0"""


def binary_check(service, authority="haproxy"):
    """The bytes of a whole Check over HTTP/2, for servers without any option. The answer to look for is SERVING's message."""
    headers = [
        (":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Check"), (":authority", authority),
        ("content-type", "application/grpc"), ("te", "trailers"),
    ]
    name = service.encode()
    message = b"" if not name else bytes([10, len(name)]) + name
    # Neither Huffman's code nor a table: the bytes are the same each time.
    block = Encoder().encode(headers, huffman=False)
    frames = [
        SettingsFrame(0),
        HeadersFrame(1, data=block, flags=["END_HEADERS"]),
        DataFrame(1, data=bytes([0, 0, 0, 0, len(message)]) + message, flags=["END_STREAM"]),
    ]
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"".join(frame.serialize() for frame in frames)


class Balancer:
    def __init__(self, folder, command, config):
        self.folder = folder
        self.config = os.path.join(folder, "config")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config)
        self.log = open(os.path.join(folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([*command, self.config], stderr=self.log, stdout=self.log)
        until(lambda: os.path.exists(os.path.join(folder, "socket")), self.said)

    def said(self):
        """What it has written on stderr and into its log of errors."""
        self.log.seek(0)
        text = self.log.read()
        try:
            with open(os.path.join(self.folder, "errors"), encoding="utf-8") as file:
                return text + file.read()
        except FileNotFoundError:
            return text

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Balanced(Temporary, unittest.TestCase):
    def fleet(self, *options):
        fleet = Fleet(*options)
        self.addCleanup(fleet.close)
        return fleet

    def balancer(self, *arguments):
        balancer = Balancer(*arguments)
        self.addCleanup(balancer.close)
        channel = grpc.insecure_channel(f"unix:{balancer.folder}/socket")
        self.addCleanup(channel.close)
        grpc.channel_ready_future(channel).result(timeout=PATIENCE)
        return balancer, channel

    def nginx(self, fleet, setting=""):
        folder = self.folder()
        servers = "\n".join(f"        server {address} {setting};" for address in fleet.addresses())
        config = NGINX.format(folder=folder, servers=servers)
        return self.balancer(folder, ["nginx", "-p", folder, "-c"], config)

    def haproxy(self, fleet, check, setting):
        folder = self.folder()
        servers = "\n".join(
            f"    server {name} {fleet[name].address} proto h2 check {setting}" for name in NAMES
        )
        config = HAPROXY.format(folder=folder, servers=servers, check=check)
        return self.balancer(folder, ["haproxy", "-db", "-f"], config)

    def calls_of_each_kind_outlive_connections(self, channel, fleet):
        """Each connection lives for half a second, give or take a tenth, and calls of each kind go on."""
        load = Load(channel, rate=200)
        many = channel.unary_stream("/test.Fleet/Many")
        echo = channel.stream_stream("/test.Fleet/Echo")
        streams = 0
        while load.calls() < 800:
            self.assertIn(set(many(b"", timeout=PATIENCE)), [{name.encode()} for name in NAMES])
            sent = [bytes([number]) for number in range(1, 50)]
            self.assertEqual(list(echo(iter(sent), timeout=PATIENCE)), sent)
            streams += 2
        calls, errors = load.end()
        self.assertEqual(errors, [])
        return calls, streams

    def aged(self, name, balancer, fleet, counts):
        balancer.close()
        counted = fleet.end()
        self.assertEqual(counted["connection_errors"], 0)
        self.assertGreaterEqual(counted["connections"], 6)
        calls, streams = counts
        print(f"{name}: {calls} unary calls and {streams} streams over {counted['connections']} connections, none failed")



class Nginx(Balanced):
    def test_calls_outlive_connections(self):
        fleet = self.fleet("age=500")
        nginx, channel = self.nginx(fleet)
        self.aged("nginx", nginx, fleet, self.calls_of_each_kind_outlive_connections(channel, fleet))

    def restart_all(self, fleet, nginx):
        """Each server is down until nginx has found out. nginx does not look at statuses, so a linger time would change nothing."""
        for name in NAMES:
            address = fleet[name].address
            refused = 'Connection refused) while connecting to upstream'

            def found_out(seen=self.lines(nginx, refused, address)):
                return self.lines(nginx, refused, address) > seen

            fleet.restart(name, lambda: until(found_out, nginx.said))

    @staticmethod
    def lines(nginx, *parts):
        return sum(all(part in line for part in parts) for line in nginx.said().splitlines())

    def test_with_the_default_settings_the_neighbours_go_down_in_a_rolling_restart(self):
        """A server that has failed once is down for 10 s. Three restarts within 10 s leave no server, though all of them run."""
        fleet = self.fleet()
        nginx, channel = self.nginx(fleet)
        load = Load(channel, rate=300)
        load.wait_for(*NAMES)

        def restarted():
            self.restart_all(fleet, nginx)
            for name in NAMES:
                self.assertIsNone(fleet[name].process.poll())
            # What has been asked by now, and some more.
            asked = load.calls() + 20
            until(lambda: load.calls() >= asked, nginx.said)
            return self.lines(nginx, "no live upstreams")

        until(restarted, nginx.said)
        calls, errors = load.end()
        self.assertEqual(set(errors), {"UNAVAILABLE: Received http2 header with status: 502"})
        print(f"nginx: restarts with the default fail_timeout of 10 s: {len(errors)} of {calls} calls failed, no live upstreams")

    def test_without_max_fails_a_rolling_restart_fails_no_call(self):
        fleet = self.fleet()
        nginx, channel = self.nginx(fleet, "max_fails=0")
        load = Load(channel, rate=300)
        load.wait_for(*NAMES)
        for _ in range(3):
            self.restart_all(fleet, nginx)
            load.wait_for(*NAMES)
        calls, errors = load.end()
        self.assertEqual(errors, [])
        self.assertEqual(self.lines(nginx, "no live upstreams"), 0)
        print(f"nginx: 9 restarts with max_fails=0: {len(errors)} of {calls} calls failed")


class Haproxy(Balanced):
    INTERVAL, FALL = (0.5 if LONG else 0.2), 2
    SETTING = f"inter {round(INTERVAL * 1000)}ms fall {FALL} rise 1"

    def up(self, balancer):
        """The servers that HAProxy has found up by a check."""
        try:
            with socket.socket(socket.AF_UNIX) as stats:
                stats.connect(os.path.join(balancer.folder, "stats"))
                stats.sendall(b"show stat\n")
                text = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
        except OSError:
            return set()
        lines = text.removeprefix("# ").splitlines()
        keys = lines[0].split(",")
        # Without a check's result a server counts as up.
        rows = [dict(zip(keys, line.split(","))) for line in lines[1:] if line]
        return {
            row["svname"] for row in rows
            if row["svname"] in NAMES and row["status"] == "UP" and not row["check_status"].startswith("INI")
        }

    def test_calls_outlive_connections(self):
        fleet = self.fleet("age=500", "header=x-service")
        haproxy, channel = self.haproxy(fleet, BY_STATUS, f"check-proto h2 {self.SETTING}")
        until(lambda: self.up(haproxy) == set(NAMES), haproxy.said)
        self.aged("haproxy", haproxy, fleet, self.calls_of_each_kind_outlive_connections(channel, fleet))

    def roll(self, check, setting, *options):
        """Restarts each server under 300 calls a second, when the one before is back."""
        linger = self.INTERVAL * self.FALL + SLACK
        fleet = self.fleet(f"linger={round(linger * 1000)}", *options)
        haproxy, channel = self.haproxy(fleet, check, setting)
        until(lambda: self.up(haproxy) == set(NAMES), haproxy.said)
        load = Load(channel, rate=300)
        load.wait_for(*NAMES)
        rounds = max(1, round(SECONDS / 15))
        for _ in range(rounds):
            for name in NAMES:
                fleet.restart(name)
                until(lambda: self.up(haproxy) == set(NAMES), haproxy.said)
                load.wait_answer(name)
        calls, errors = load.end()
        print(
            f"haproxy: {3 * rounds} restarts, linger {linger} s, checks each {self.INTERVAL} s, fall {self.FALL}: "
            f"{len(errors)} of {calls} calls failed"
        )
        self.assertEqual(errors, [])

    def test_a_rolling_restart_fails_no_call(self):
        self.roll(BY_STATUS, f"check-proto h2 {self.SETTING}", "header=x-service")

    def test_a_rolling_restart_with_a_check_in_binary(self):
        """A server without any option: the check is bytes."""
        check = [
            "    option tcp-check",
            f"    tcp-check send-binary {binary_check('shop').hex()}",
            # One message of two bytes, with field 1 and the value SERVING.
            "    tcp-check expect binary 00000000020801",
        ]
        self.roll("\n".join(check), self.SETTING)
