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
CANCEL = bytes([0, 0, 0, 8])
WIDE = struct.pack(">HI", 4, 1 << 20)
WIDEN = frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30))


class Client(Peer):
    """A connection that counts the calls that it makes, and those that have ended as they should."""

    def __init__(self, server):
        super().__init__(server, WIDE)
        self.stream, self.calls, self.good, self.room, self.start = 1, 0, 0, 65_535, time.monotonic()
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

    def paced(self, each):
        """Calls `each` RATE times a second, and reads meanwhile."""
        while self.goes_on():
            if self.calls < (time.monotonic() - self.start) * RATE:
                each()
            self.receive(0 if self.calls < (time.monotonic() - self.start) * RATE else 0.001)
        return self.finish()

    def rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.is_cut():
            self.receive(0.1)

    def finish(self):
        """Waits for what is on its way, and asks whether the server is there."""
        if not self.is_cut():
            self.ping()
        return self.calls, self.good, self.is_cut() or self.last is None, self.code


def early(server):
    """Uploads for a method that is not there: the answer comes before the request's end, which the client sends all the same."""
    client, late = Client(server), []

    def note(kind, flags, stream, payload):
        client.note(kind, flags, stream, payload)
        if kind == HEADERS and flags & 1:
            late.append(stream)

    def upload():
        if client.room < 1_000:
            return
        client.send(head(client.next(), "Missing") + frame(DATA, 0, client.stream, bytes(100)))
        client.room -= 100
        while late:
            client.send(frame(DATA, 1, late.pop(), bytes(100)))
            client.room -= 100

    client.seen = note
    return client.paced(upload)


def cancels(server):
    """Watches that are cancelled as soon as they have been answered."""
    client, told = Client(server), []

    def note(kind, flags, stream, payload):
        client.note(kind, flags, stream, payload)
        if kind == DATA:
            client.good += 1
            told.append(stream)

    def watch():
        client.send(call(client.next(), "Watch") + b"".join(frame(RST, 0, stream, CANCEL) for stream in told))
        told.clear()

    client.seen = note
    return client.paced(watch)


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
    processes = [multiprocessing.Process(target=lambda name=name: results.put((name, *CLIENTS[name](server))), daemon=True) for name in CLIENTS]
    for process in processes:
        process.start()
    told = sorted(results.get(timeout=SECONDS + 60) for _ in processes)
    for process in processes:
        process.join(10)
    cut = sum(is_cut for *_, is_cut, _ in told)
    each = "; ".join(f"{name}: {good:,} of {calls:,} answered" + f", CUT, GOAWAY {code}" * is_cut for name, calls, good, is_cut, code in told)
    return f"{cut} of {len(told)} connections cut; {each}"


ATTACKS = {"S27 good clients": run}
