"""S24: clients that make the server work for long.

    cargo build --release --features gzip,tls --example bench_server --example bench_turns

The server has one core, and the attacker has the other one.
"""

import os
import subprocess

from peer import SERVER, Server

ATTACKER = os.path.join(os.path.dirname(SERVER), "bench_turns")
SECONDS = 10


class Secured(Server):
    """A server with TLS and mutual TLS, which has the first core for itself."""

    def __init__(self, which, *options):
        super().__init__("router" if which == "ours" else which, "--tls", *options)
        self.pin()


def attack(server, kind, port):
    def beside():
        os.sched_setaffinity(0, set(range(1, os.cpu_count())) or {0})

    address = server.addresses[port]
    ran = subprocess.run([ATTACKER, kind, address, str(SECONDS)], stdout=subprocess.PIPE, text=True, preexec_fn=beside, check=True)
    return ran.stdout.strip()


ATTACKS = {
    "S24 gzip": lambda s: attack(s, "gzip", "plain"),
    "S24 chains": lambda s: attack(s, "chains", "mutual"),
    "S24 key updates": lambda s: attack(s, "keys", "tls"),
    "S24 key updates without ALPN": lambda s: attack(s, "unasked", "tls"),
}
