"""HAProxy's checks, which cannot send a message and read only the head of the answer. Started by run.sh.

Four ways to check, each against a service that is SERVING and one that is NOT_SERVING.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from process import Process

PATIENCE = 60

CONFIG = """
global
    stats socket {folder}/stats
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
backend by_grpc_status
    option httpchk
    http-check send meth POST uri /grpc.health.v1.Health/Check ver HTTP/2 hdr content-type application/grpc hdr x-service "{service}"
    http-check expect hdr name grpc-status value 0
    server one {server} proto h2 check check-proto h2 inter 100ms
backend by_http_status
    option httpchk
    http-check send meth POST uri /grpc.health.v1.Health/Check ver HTTP/2 hdr content-type application/grpc hdr x-service "{service}"
    http-check expect status 200
    server one {server} proto h2 check check-proto h2 inter 100ms
backend by_alias
    option httpchk
    http-check send meth POST uri /AWS.ALB/{service} ver HTTP/2 hdr content-type application/grpc
    http-check expect hdr name grpc-status value 0
    server one {server} proto h2 check check-proto h2 inter 100ms
backend by_http_1
    option httpchk GET /healthz/{service}
    http-check expect status 200
    server one {server} check inter 100ms
"""

WAYS = ["by_grpc_status", "by_http_status", "by_alias", "by_http_1"]


class Haproxy(unittest.TestCase):
    def server(self, *options):
        server = Process(
            os.environ["GRPC_HEALTH_BIN"], "serve", "--listen", "127.0.0.1:0",
            "--service", "up", "--service", "down=not-serving", *options,
        )
        self.addCleanup(server.close)
        return server.address

    def states(self, address, service):
        """What HAProxy thinks of the server after the first check of each way."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        config = os.path.join(folder, "haproxy.cfg")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=folder, server=address, service=service))
        haproxy = subprocess.Popen(["haproxy", "-db", "-f", config], stderr=subprocess.DEVNULL)
        self.addCleanup(haproxy.wait)
        self.addCleanup(haproxy.terminate)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            states = self.ask(os.path.join(folder, "stats"))
            # Up from the start, and down after some checks in a row: what has been checked says how it went.
            if states and all(status != "INI" for _, status in states.values()):
                settled = {
                    name: state.startswith("UP")
                    for name, (state, _) in states.items()
                    if state in ("UP", "DOWN")
                }
                if len(settled) == len(WAYS):
                    return settled
            time.sleep(0.05)
        self.fail(f"HAProxy has not settled: {states}")

    @staticmethod
    def ask(path):
        try:
            with socket.socket(socket.AF_UNIX) as stats:
                stats.connect(path)
                stats.sendall(b"show stat\n")
                text = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
        except OSError:
            return {}
        lines = text.removeprefix("# ").splitlines()
        names = lines[0].split(",")
        rows = (dict(zip(names, line.split(","))) for line in lines[1:] if line)
        return {row["pxname"]: (row["status"], row["check_status"].lstrip("* "))
                for row in rows if row["svname"] == "one"}

    def test_without_options_no_check_tells_what_it_should(self):
        address = self.server()
        for service in ["up", "down"]:
            states = self.states(address, service)
            self.assertEqual(states, {
                "by_grpc_status": False, "by_http_status": True, "by_alias": False, "by_http_1": False,
            })

    def test_every_check_tells_up_from_down(self):
        address = self.server(
            "--service-header", "x-service", "--http1",
            "--alias", "/AWS.ALB/up=up", "--alias", "/AWS.ALB/down=down",
        )
        self.assertEqual(self.states(address, "up"), dict.fromkeys(WAYS, True))
        self.assertEqual(self.states(address, "down"), dict.fromkeys(WAYS, False))


class Curl(unittest.TestCase):
    def test_readyz(self):
        server = Process(
            os.environ["GRPC_HEALTH_BIN"], "serve", "--listen", "127.0.0.1:0", "--http1",
            "--service", "down=not-serving",
        )
        self.addCleanup(server.close)

        def curl(*arguments):
            return subprocess.run(
                ["curl", "-sS", "-w", " %{http_code}", *arguments],
                capture_output=True, text=True, timeout=PATIENCE, check=False,
            ).stdout

        url = f"http://{server.address}"
        self.assertEqual(curl(f"{url}/readyz"), "SERVING\n 200")
        self.assertEqual(curl(f"{url}/healthz/down"), "NOT_SERVING\n 503")
        self.assertEqual(curl(f"{url}/healthz/none")[-3:], "404")
        self.assertEqual(curl("-d", "body", f"{url}/readyz")[-3:], "405")
        self.assertEqual(
            curl("-H", "accept: application/json", f"{url}/healthz/down"),
            '{"status":"NOT_SERVING"}\n 503',
        )
        # Two requests on one connection.
        self.assertEqual(curl(f"{url}/readyz", f"{url}/livez"), "SERVING\n 200" * 2)
