"""S21: what a TLS socket holds that says nothing, and how long whoever floods waits at the door.

    cargo build --release --features gzip,tls --example bench_server

The second attack needs root: it has a network of its own, with loopback alone, where peers have addresses that are not of 127/8.
"""

import ctypes
import os
import socket
import subprocess
import time

from attacks.turns import Secured
from peer import DATA, LIMIT, PING, Peer, Server, call, frame

SILENT = 1_000
FLOODER = "198.18.0.2"
FLOODS = 5
NEW_NETWORK = 0x40000000


class Apart(Server):
    """A server in a network of its own. This process and those that it starts are in that network, too, until the server's end."""

    def __init__(self, which, *options, **settings):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        if self.libc.unshare(NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "a network of its own needs root")
        for command in ("link set lo up", "addr add 198.18.0.1/15 dev lo"):
            subprocess.run(["ip", *command.split()], check=True)
        super().__init__(which, *options, "--listen", "198.18.0.1:0", **settings)

    def end(self):
        super().end()
        self.libc.setns(self.outside, NEW_NETWORK)
        os.close(self.outside)


def silent(server):
    host, port = server.addresses["tls"].rsplit(":", 1)
    before, sockets = server.memory("VmRSS"), []
    for _ in range(SILENT):
        sockets.append(socket.create_connection((host, int(port))))
    time.sleep(2)
    each = (server.memory("VmRSS") - before) / SILENT
    for held in sockets:
        held.close()
    return f"{SILENT:,} TLS sockets that say nothing: {each:.1f} KiB of RSS each"


def floods(server):
    """A flood, again and again, each time as soon as the address is let in."""
    waits = []
    for _ in range(FLOODS):
        peer = Peer(server, source=FLOODER)
        peer.send(frame(PING, 0, 0, bytes(8)) * 10_000)
        if not peer.closed:
            peer.ping()
        if not peer.closed and peer.code is None:
            return f"not closed by a flood of PING; floods before: {len(waits)}"
        peer.socket.close()
        start = time.monotonic()
        while not let_in(server) and time.monotonic() < start + LIMIT:
            time.sleep(0.02)
        waits.append(f"{time.monotonic() - start:.2f}")
    return f"{FLOODS} floods of PING, closed; let in again after {', '.join(waits)} s"


def let_in(server):
    try:
        peer = Peer(server, source=FLOODER)
        peer.send(call(1, "Check"))
        peer.until(lambda: peer.frames.get(DATA))
        peer.socket.close()
    except OSError:
        return False
    return bool(peer.frames.get(DATA))


ATTACKS = {"S21 silent TLS sockets": silent, "S21 floods that come back": floods}
SERVERS = {"S21 silent TLS sockets": Secured, "S21 floods that come back": Apart}
