"""S27: good clients, which nobody may cut. A part of attack.py.

    GOOD_SECONDS=600 scripts/attack.py ours S27

Each client is a process with one connection. The default is 10 seconds.
"""

import multiprocessing
import os
import struct
import time

from attacks.echo import head
from peer import DATA, HEADERS, PING, RST, WINDOW, Peer, call, frame

SECONDS = float(os.environ.get("GOOD_SECONDS", "10"))
RATE = 1_000
# How many calls a client has open at most: fewer than the server allows.
OPEN = 100
CANCEL = bytes([0, 0, 0, 8])
PART = bytes(100)
WIDE = struct.pack(">HI", 4, 1 << 20)
WIDEN = frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30))


class Client(Peer):
    """A connection that counts the calls that it makes, and those that have ended as they should."""

    def __init__(self, server):
        super().__init__(server, WIDE)
        self.stream, self.calls, self.good, self.room, self.start = 1, 0, 0, 65_535, time.monotonic()
        self.answered = []
        self.seen = self.note
        self.send(WIDEN)

    def note(self, kind, flags, stream, payload):
        if kind == WINDOW and stream == 0:
            self.room += int.from_bytes(payload, "big")
        elif kind == PING and not flags:
            self.send(frame(PING, 1, 0, payload), reading=False)
        elif kind == HEADERS and flags & 1:
            self.good += 1

    def next(self):
        self.stream += 2
        self.calls += 1
        return self.stream

    def is_cut(self):
        return self.closed or self.code is not None

    def goes_on(self):
        return time.monotonic() < self.start + SECONDS and not self.is_cut()

    def paced(self, begin, end):
        """Begins RATE calls a second, and ends each that is answered. Whoever is late calls as often as it may."""
        while self.goes_on():
            answered, self.answered = self.answered, []
            may = self.calls < (time.monotonic() - self.start) * RATE and self.calls - self.good < OPEN
            self.send(b"".join(map(end, answered)) + (begin(self.next()) if may else b""))
            self.receive(0 if may else 0.001)
        return self.finish()

    def rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.is_cut():
            self.receive(0.1)

    def finish(self):
        """Waits for what is on its way, and asks whether the server is there."""
        self.until(lambda: self.good >= self.calls)
        if not self.is_cut():
            self.ping()
        return self.calls, self.good, self.is_cut() or self.last is None, self.code


def early(server):
    """Uploads for a method that is not there: the answer comes before the request's end, which the client sends all the same."""
    client = Client(server)

    def note(kind, flags, stream, payload):
        client.note(kind, flags, stream, payload)
        if kind == HEADERS and flags & 1:
            client.answered.append(stream)

    def part(stream, flags):
        payload = PART if client.room >= len(PART) else b""
        client.room -= len(payload)
        return frame(DATA, flags, stream, payload) if payload or flags else b""

    client.seen = note
    return client.paced(lambda stream: head(stream, "Missing") + part(stream, 0), lambda stream: part(stream, 1))


def cancels(server):
    """Watches that are cancelled as soon as they have been answered."""
    client = Client(server)

    def note(kind, flags, stream, payload):
        client.note(kind, flags, stream, payload)
        if kind == DATA:
            client.good += 1
            client.answered.append(stream)

    client.seen = note
    return client.paced(lambda stream: call(stream, "Watch"), lambda stream: frame(RST, 0, stream, CANCEL))


def keepalive(server):
    """Beside a Watch each second a PING, ten times as often as gRPC's C-core may, and a Check with two WINDOW_UPDATEs, as C-core's."""
    client = Client(server)
    client.send(call(client.stream, "Watch"))
    while client.goes_on():
        client.ping(struct.pack(">Q", client.calls))
        client.send(call(client.next(), "Check") + frame(WINDOW, 0, 0, b"\0\0\0\7") * 2)
        client.rest(1)
    return client.finish()


def pauses(server):
    """A hundred Checks at once and half of an upload; nothing for five seconds; the other half."""
    client = Client(server)
    message = b"\x0a\x64" + bytes(100)
    message = b"\0" + struct.pack(">I", len(message)) + message
    while client.goes_on():
        client.send(b"".join(call(client.next(), "Check") for _ in range(100)))
        upload = client.next()
        client.send(head(upload, "Unary") + frame(DATA, 0, upload, message[:50]))
        client.rest(5)
        client.send(frame(DATA, 1, upload, message[50:]))
    return client.finish()


CLIENTS = {"early answers": early, "cancels": cancels, "keepalive": keepalive, "pauses": pauses}


def run(server):
    results = multiprocessing.Queue()

    def client(name):
        results.put((name, *CLIENTS[name](server)))

    processes = [multiprocessing.Process(target=client, args=(name,), daemon=True) for name in CLIENTS]
    for process in processes:
        process.start()
    told = sorted(results.get(timeout=SECONDS + 60) for _ in processes)
    for process in processes:
        process.join(10)
    cut = sum(is_cut for *_, is_cut, _ in told)
    each = [f"{name}: {good:,} of {calls:,} answered" + f", CUT, GOAWAY {code}" * is_cut for name, calls, good, is_cut, code in told]
    return f"{cut} of {len(told)} connections cut; {'; '.join(each)}"


ATTACKS = {"S27 good clients": run}
