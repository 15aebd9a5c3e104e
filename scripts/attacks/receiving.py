"""S22: requests that do not end, from 64 connections at once, and what the server holds of them.

The server has the echo service of benches/support/echo.rs.
"""

import select
import struct
import time

from attacks.echo import head
from peer import DATA, HEADERS, RST, SETTINGS, WINDOW, Peer, frame

CONNECTIONS, STREAMS = 64, 255
SECONDS = 10
CHUNK = bytes(16_384)
MESSAGE = 4 << 20


class Uploader(Peer):
    """A connection of many calls, which sends what its windows allow and no more."""

    def __init__(self, server, method, first, left, settings=b""):
        super().__init__(server, settings)
        self.room, self.initial = 65_535, 65_535
        self.streams = {1 + 2 * n: [0, left] for n in range(STREAMS)}
        self.ended, self.held = 0, 0
        self.seen = self.note
        self.receive(0.5)
        self.send(b"".join(head(stream, method) for stream in self.streams))
        for stream in self.streams:
            self.data(stream, first)

    def note(self, kind, flags, stream, payload):
        if kind == WINDOW:
            grown = int.from_bytes(payload, "big")
            if stream == 0:
                self.room += grown
            elif stream in self.streams:
                self.streams[stream][0] += grown
        elif kind == SETTINGS and not flags:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at:at + 6])
                self.initial = value if name == 4 else self.initial
        elif kind == RST or kind == HEADERS and flags & 1:
            self.ended += self.streams.pop(stream, None) is not None

    def data(self, stream, payload):
        state = self.streams.get(stream)
        if state is None or len(payload) > min(self.room, self.initial + state[0]):
            return False
        self.room -= len(payload)
        state[0] -= len(payload)
        self.send(frame(DATA, 0, stream, payload))
        return True

    def upload(self):
        """A frame on each stream that has room for one."""
        sent = False
        for stream, state in list(self.streams.items()):
            if state[1] >= len(CHUNK) and self.data(stream, CHUNK):
                state[1] -= len(CHUNK)
                sent = True
        return sent


def run(uploaders, go_on):
    """For SECONDS: what the server lets in."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        idle = True
        for peer in uploaders:
            if not peer.closed:
                peer.receive(0)
                idle &= not go_on(peer)
        if idle:
            select.select([peer.socket for peer in uploaders if not peer.closed], [], [], 0.05)
    ended, closed = sum(peer.ended for peer in uploaders), sum(peer.closed or peer.code is not None for peer in uploaders)
    return f"{len(uploaders)} connections of {STREAMS} streams: {ended:,} streams ended, {closed} connections closed in {SECONDS} s"


def halves(server, method):
    """Half of a message of 4 MiB on every stream."""
    first = b"\0" + struct.pack(">I", MESSAGE)
    uploaders = [Uploader(server, method, first, MESSAGE // 2) for _ in range(CONNECTIONS)]
    return run(uploaders, Uploader.upload)


def crumbs(server):
    """Frames of one byte that no handler reads: the handler waits for room for its first reply."""
    settings = struct.pack(">HI", 4, 0)
    message = b"\0" + struct.pack(">I", 3) + b"\x0a\x01a"
    uploaders = [Uploader(server, "Bidi", message, 0, settings) for _ in range(CONNECTIONS)]
    rounds = dict.fromkeys(uploaders, 120)

    def go_on(peer):
        if not rounds[peer]:
            return False
        rounds[peer] -= 1
        peer.send(b"".join(frame(DATA, 0, stream, b"\0") for stream in peer.streams))
        return True

    return run(uploaders, go_on)


ATTACKS = {
    "S22 half messages": lambda s: halves(s, "Unary"),
    "S22 half messages of streams": lambda s: halves(s, "Bidi"),
    "S22 crumbs": crumbs,
}
