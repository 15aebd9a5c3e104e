"""S23 and S25: replies that are asked for and not taken, from 64 connections at once, and what a connection keeps of many calls.

The server has the echo service of benches/support/echo.rs.
"""

import select
import struct
import time

from attacks.echo import head
from peer import DATA, HEADERS, RST, WINDOW, Peer, block, frame

CONNECTIONS = 64
SECONDS = 40


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


class Asker(Peer):
    """A connection that asks for large replies, and makes no room for them but what `take` gives."""

    def __init__(self, server, size, replies):
        # Windows of one byte. Requests have all the room that the server gives.
        super().__init__(server, struct.pack(">HI", 4, 1))
        self.send(frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff - 65_535)))
        self.size, self.left, self.open, self.ended = size, replies, {}, 0
        self.next, self.room, self.seen, self.busy = 1, 65_535, self.note, None
        self.begin()

    def note(self, kind, flags, stream, payload):
        if kind == WINDOW:
            grown = int.from_bytes(payload, "big")
            if stream == 0:
                self.room += grown
            elif stream in self.open:
                self.open[stream][0] += grown
        elif kind == RST or kind == HEADERS and flags & 1:
            self.ended += self.open.pop(stream, None) is not None

    def begin(self):
        if not self.left:
            self.busy = None
            return
        self.left -= 1
        body = b"\x0a" + varint(self.size) + bytes(self.size)
        message = b"\0" + struct.pack(">I", len(body)) + body
        self.send(head(self.next, "Unary"))
        self.open[self.next] = [65_535, memoryview(message)]
        self.busy = self.next
        self.next += 2

    def upload(self):
        """Sends what the windows allow of the current request, and begins the next one."""
        if self.busy not in self.open:
            self.begin()
        state = self.open.get(self.busy)
        if state is None:
            return False
        most = min(self.room, state[0], 16_384, len(state[1]))
        if most <= 0:
            return False
        last = most == len(state[1])
        self.send(frame(DATA, int(last), self.busy, bytes(state[1][:most])))
        self.room -= most
        state[0] -= most
        state[1] = state[1][most:]
        if last:
            self.begin()
        return True

    def take(self):
        """One byte more of each reply."""
        self.send(b"".join(frame(WINDOW, 0, stream, b"\0\0\0\1") for stream in self.open))


def bytewise(server, size, replies):
    """A byte of each reply every 12 s."""
    peers, start = [Asker(server, size, replies) for _ in range(CONNECTIONS)], time.monotonic()
    taken, most = start, 0
    while time.monotonic() < start + SECONDS:
        idle = True
        for peer in peers:
            if not peer.closed:
                peer.receive(0)
                idle &= not peer.upload()
        most = max(most, sum(len(peer.open) for peer in peers))
        if time.monotonic() > taken + 12:
            taken = time.monotonic()
            for peer in peers:
                peer.take()
        if idle:
            select.select([peer.socket for peer in peers if not peer.closed], [], [], 0.05)
    left, ended = sum(len(peer.open) for peer in peers), sum(peer.ended for peer in peers)
    return f"{len(peers)} connections, {most:,} calls at once at most: {ended:,} ended in {SECONDS} s, {left:,} left"


def crowd(server):
    """255 open calls of 215 fields, all of them reset, on one connection after the other."""
    rest, peers = [(f"x-{n}", "v") for n in range(209)], []
    for _ in range(CONNECTIONS):
        peer = Peer(server)
        for n in range(255):
            peer.send(frame(HEADERS, 4, 1 + 2 * n, block("Check", *rest)))
            if n % 50 == 0:
                peer.ping()
        peer.ping()
        for n in range(255):
            peer.send(frame(RST, 0, 1 + 2 * n, bytes([0, 0, 0, 8])))
        peer.ping()
        peers.append(peer)
    return peers


def kept(server):
    """What the server keeps of connections that had many calls, and whether it uses that memory for the next ones."""
    before = server.memory("VmRSS")
    peers = crowd(server)
    most = server.memory("VmRSS") - before
    figures = [f"{most / CONNECTIONS:.0f} KiB a connection"]
    for wait in (5, 62):
        time.sleep(wait)
        for peer in peers:
            while not peer.closed and peer.receive(0):
                pass
        left, closed = server.memory("VmRSS") - before, sum(peer.closed or peer.code is not None for peer in peers)
        figures.append(f"{left / CONNECTIONS:.0f} KiB {wait} s later ({closed} closed with NO_ERROR)")
    for peer in peers:
        peer.socket.close()
    time.sleep(2)
    left = server.memory("VmRSS")
    figures.append(f"{(left - before) / CONNECTIONS:.0f} KiB when all are gone")
    peers = crowd(server)
    figures.append(f"{(server.memory('VmRSS') - left) / CONNECTIONS:+.0f} KiB with as many connections again")
    return ", ".join(figures)


ATTACKS = {
    "S23 replies of 4 MiB a byte at a time": lambda s: bytewise(s, (4 << 20) - 16, 8),
    "S23 replies of 64 KiB a byte at a time": lambda s: bytewise(s, 64 << 10, 128),
    "S25 given back": kept,
}
