"""S26: timeouts behind a first flight that uses up what tokio lets a task do in one turn.

    cargo build --release --example bench_server

Each reply to List is a write of its own. tonic-health has no List, and answers UNIMPLEMENTED.
"""

import select
import time

from peer import DATA, HEADERS, LIMIT, PREFACE, RST, SETTINGS, WINDOW, Peer, Server, block, call, connected, frame

CONNECTIONS = 20
LISTS = 250
# As much window as there is, so that the socket alone limits the replies.
HELLO = PREFACE + frame(SETTINGS, 0, 0, b"\0\4\x7f\xff\xff\xff") + frame(SETTINGS, 1, 0) + frame(WINDOW, 0, 0, b"\x7f\xff\0\0")
FLIGHT = b"".join(call(3 + 2 * n, "List") for n in range(LISTS))


class Few(Server):
    """A registry of 3 names: a reply to List is long enough to be a write of its own."""

    def __init__(self, which, *options):
        super().__init__(which, *options, "--names", "3")


class Many(Server):
    """A registry of 99 names: 20 KiB for each List, and 5 MB for all: more than the kernel takes for a socket."""

    def __init__(self, which, *options):
        super().__init__(which, *options, "--names", "99")


def first_flight(server, first, seconds):
    """The first call and 250 Lists in one write, on 20 connections: how long after the write the first call ends."""
    ends, peers = {}, []

    def watch(peer, start):
        def seen(kind, flags, stream, payload):
            if stream == 1 and (kind == RST or kind == HEADERS and flags & 1):
                ends.setdefault(peer, time.monotonic() - start)
        return seen

    for _ in range(CONNECTIONS):
        peer = Peer(server, hello=False)
        peer.seen = watch(peer, time.monotonic())
        peer.send(HELLO + first + FLIGHT)
        peers.append(peer)
    limit = time.monotonic() + seconds + LIMIT
    while len(ends) < len(peers) and time.monotonic() < limit:
        for readable in select.select([peer.socket for peer in peers if not peer.closed], [], [], 0.1)[0]:
            next(peer for peer in peers if peer.socket is readable).receive(0)
    took = sorted(ends.values())
    when = f", {took[0]:.3f} to {took[-1]:.3f} s after the write" if took else f" within {seconds + LIMIT} s"
    return f"{CONNECTIONS} connections: {len(took)} of the first calls ended{when}; due after {seconds} s"


def unread(server):
    """250 Lists in one write, and nothing is read: when the last of 20 connections is gone."""
    peers = []
    for _ in range(CONNECTIONS):
        peer = Peer(server, hello=False, receive_buffer=4096)
        peer.send(HELLO + FLIGHT, reading=False)
        peers.append(peer)
    start, gone = time.monotonic(), []
    while len(gone) < len(peers) and time.monotonic() < start + 45:
        time.sleep(0.05)
        left = sum(connected(server, peer) for peer in peers)
        gone += [time.monotonic() - start] * (len(peers) - left - len(gone))
    when = f", {gone[0]:.1f} to {gone[-1]:.1f} s after the last write" if gone else ""
    return f"{len(gone)} of {CONNECTIONS} connections closed within 45 s{when}"


WATCH = call(1, "Watch", ("grpc-timeout", "2S"))
UPLOAD = frame(HEADERS, 4, 1, block("Check")) + frame(DATA, 0, 1, b"\0")
ATTACKS = {
    "S26 a deadline of 2 s": lambda s: first_flight(s, WATCH, 2),
    "S26 a request that does not end": lambda s: first_flight(s, UPLOAD, 10),
    "S26 unread sockets": unread,
}
SERVERS = {name: Few for name in ATTACKS} | {"S26 unread sockets": Many}
