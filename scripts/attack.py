#!/usr/bin/env python3
"""Attacks a server as the tests do, but over loopback, and measures what it costs: RELIABILITY.md.

    cargo build --release --example bench_server
    scripts/attack.py ours|tonic [ATTACK...]

Each attack has a server of its own. While it lasts a neighbour asks for the overall status, one Check after the other. Bounded:
counts are those below, and no attack goes on for longer than LIMIT seconds. Python 3 and Linux, nothing else.
"""

import os
import re
import resource
import select
import socket
import struct
import subprocess
import sys
import threading
import time

SERVER = os.environ.get("BENCH_SERVER") or os.path.join(os.path.dirname(__file__), "../target/release/examples/bench_server")
LIMIT = 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(method, *more):
    fields = [(":path", "/grpc.health.v1.Health/" + method), (":authority", "a"), ("te", "trailers"),
              ("content-type", "application/grpc"), *more]
    text = b"\x83\x86"
    for name, value in fields:
        text += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return text


def call(stream, method, *more):
    return frame(HEADERS, 4, stream, block(method, *more)) + frame(DATA, 1, stream, bytes(5))


class Server:
    def __init__(self, which, descriptors=None):
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors or 4096,) * 2)
        self.process = subprocess.Popen([SERVER, which], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL, preexec_fn=limit)
        host, port = self.process.stdout.readline().split()[-1].rsplit(":", 1)
        self.address = (host, int(port))

    def memory(self, key):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(key + r":\s*(\d+)", status.read()).group(1))

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """One connection; `code` is that of the GOAWAY that it ended with, `closed` whether it has ended."""

    def __init__(self, server, settings=b"", hello=True):
        self.socket = socket.create_connection(server.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer, self.frames, self.code, self.closed, self.last = b"", {}, None, False, None
        self.resets = 0
        if hello:
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(SETTINGS, 1, 0))

    def receive(self, timeout):
        if not select.select([self.socket], [], [], timeout)[0]:
            return False
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        self.buffer += data
        at = 0
        while len(self.buffer) - at >= 9:
            size = int.from_bytes(self.buffer[at:at + 3], "big")
            if len(self.buffer) - at < 9 + size:
                break
            kind, flags = self.buffer[at + 3], self.buffer[at + 4]
            payload = self.buffer[at + 9:at + 9 + size]
            self.frames[kind] = self.frames.get(kind, 0) + 1
            if kind == GOAWAY:
                self.code = int.from_bytes(payload[4:8], "big")
            if kind == PING and flags == 1:
                self.last = payload
            at += 9 + size
        self.buffer = self.buffer[at:]
        return True

    def send(self, data, reading=True):
        """Until all is sent, or the connection ends, or the time is over: how much was sent."""
        end, view, sent = time.monotonic() + LIMIT, memoryview(data), 0
        while sent < len(view) and not self.closed and time.monotonic() < end:
            readable, writable, _ = select.select([self.socket] if reading else [], [self.socket], [], 1)
            if readable:
                self.receive(0)
            if writable:
                try:
                    sent += self.socket.send(view[sent:sent + (1 << 16)])
                except BlockingIOError:
                    pass
                except OSError:
                    self.closed = True
        return sent

    def until(self, done):
        end = time.monotonic() + LIMIT
        while not self.closed and not done() and time.monotonic() < end:
            self.receive(0.1)
        while self.closed is False and self.code:
            if not self.receive(1):
                break

    def ping(self, payload=b"attacked"):
        self.last = None
        self.send(frame(PING, 0, 0, payload))
        self.until(lambda: self.last == payload or self.code)


class Neighbour(threading.Thread):
    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over, self.times, self.failed = server, False, [], 0
        self.start()

    def run(self):
        peer, stream = Peer(self.server), 1
        peer.send(frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30)))
        while not self.over:
            before, start = peer.frames.get(DATA, 0), time.monotonic()
            peer.send(call(stream, "Check"))
            while peer.frames.get(DATA, 0) == before and not peer.closed and time.monotonic() < start + 5:
                peer.receive(1)
            self.failed += peer.frames.get(DATA, 0) == before
            self.times.append(time.monotonic() - start)
            stream += 2
            time.sleep(0.002)


def flood(server, frames, count=1_000_000, before=b""):
    peer = Peer(server, struct.pack(">HI", 4, 65535))
    peer.send(before)
    size, chunk = len(frames), frames * 10_000
    sent = 0
    for _ in range(count // 10_000):
        sent += peer.send(chunk)
        if peer.closed:
            break
    if not peer.closed:
        peer.ping()
    return outcome(peer, f"{sent // size:,} frames taken")


def outcome(peer, detail):
    if peer.code is not None or peer.closed:
        return f"closed, GOAWAY {peer.code}; {detail}"
    return f"not closed; {detail}"


def rapid_reset(server):
    attack = b"".join(frame(HEADERS, 4, s, block("Check")) + frame(RST, 0, s, bytes([0, 0, 0, 8])) for s in range(1, 2001, 2))
    closed = 0
    for _ in range(1000):
        peer = Peer(server)
        peer.send(attack)
        if not peer.closed:
            peer.ping()
        closed += peer.closed or peer.code is not None
        peer.socket.close()
    return f"1,000 connections of 1,000 streams, {closed:,} closed"


def reset_after_accept(server):
    peer, stream, total = Peer(server), 1, 0
    peer.send(frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30)))
    while total < 100_000 and not peer.closed and peer.code is None:
        streams = range(stream, stream + 100, 2)
        stream += 100
        heads = peer.frames.get(DATA, 0) + len(streams)
        peer.send(b"".join(call(s, "Watch") for s in streams))
        peer.until(lambda: peer.frames.get(DATA, 0) >= heads or peer.code)
        peer.send(b"".join(frame(RST, 0, s, bytes([0, 0, 0, 8])) for s in streams))
        total += len(streams)
    return outcome(peer, f"{total:,} streams")


def made_you_reset(server, attack):
    peer, stream = Peer(server), 1
    for _ in range(20_000):
        resets = peer.frames.get(RST, 0)
        peer.send(attack(stream))
        peer.until(lambda: peer.frames.get(RST, 0) > resets or peer.code)
        if peer.closed or peer.code is not None:
            break
        stream += 2
    return outcome(peer, f"{peer.frames.get(RST, 0):,} resets by the server")


def bomb(server):
    peer, attack = Peer(server), b""
    for n in range(256):
        entry = b"\x40\x01a\0" if n == 0 else b""
        attack += frame(HEADERS, 4, 1 + 2 * n, block("Check") + entry + bytes([0x80 | 62]) * 220)
    peer.send(attack)
    peer.ping()
    return outcome(peer, "256 streams of 220 fields held open")


def continuation(server):
    return flood(server, frame(CONTINUATION, 0, 1, b"\0\x01a\0"), before=frame(HEADERS, 0, 1, block("Check")))


def silent(server):
    said = [b"", PREFACE[:12], PREFACE, PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 4, 1, block("Check"))[:30]]
    peers, opened, start = [], [], time.monotonic()
    for n in range(1000):
        peer = Peer(server, hello=False)
        peer.send(said[n % 4])
        peers.append(peer)
        opened.append(time.monotonic())
    good = time.monotonic()
    peer = Peer(server)
    peer.send(call(1, "Check"))
    peer.until(lambda: peer.frames.get(DATA))
    good = time.monotonic() - good
    peer.socket.close()
    longest = 0
    while time.monotonic() < start + LIMIT and not all(p.closed for p in peers):
        poll, waiting = select.poll(), {p.socket.fileno(): n for n, p in enumerate(peers) if not p.closed}
        for descriptor in waiting:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(200):
            n = waiting[descriptor]
            peers[n].receive(0)
            if peers[n].closed:
                longest = max(longest, time.monotonic() - opened[n])
    closed = sum(p.closed for p in peers)
    return f"{closed} of 1,000 closed, each at most {longest:.2f} s after it connected; a new client's Check {good * 1000:.0f} ms"


def unread(server):
    peer = Peer(server, struct.pack(">HI", 4, 0x7fffffff))
    start = time.monotonic()
    sent = peer.send(frame(PING, 0, 0, bytes(8)) * 1_000_000, reading=False)
    return f"{sent // 17:,} PINGs taken, {'closed' if peer.closed else 'not closed'} after {time.monotonic() - start:.1f} s"


ATTACKS = {
    "S5 rapid reset": rapid_reset,
    "S5 reset after accept": reset_after_accept,
    "S6 WINDOW_UPDATE overflow": lambda s: made_you_reset(s, lambda n: call(n, "Watch") + frame(WINDOW, 0, n, b"\x7f\xff\xff\xff")),
    "S6 depends on itself": lambda s: made_you_reset(s, lambda n: call(n, "Watch") + frame(PRIORITY, 0, n, struct.pack(">IB", n, 9))),
    "S6 content-length": lambda s: made_you_reset(s, lambda n: call(n, "Check", ("content-length", "3"))),
    "S6 connection header": lambda s: made_you_reset(s, lambda n: call(n, "Check", ("connection", "close"))),
    "S7 CONTINUATION": continuation,
    "S7 header bomb": bomb,
    "S9 silent": silent,
    "S13 PING": lambda s: flood(s, frame(PING, 0, 0, bytes(8))),
    "S13 SETTINGS, 100 Watches": lambda s: flood(
        s, frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1)) + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)), 500_000,
        b"".join(call(1 + 2 * n, "Watch") for n in range(100))),
    "S13 WINDOW_UPDATE": lambda s: flood(s, frame(WINDOW, 0, 0, bytes([0, 0, 0, 1]))),
    "S13 PRIORITY": lambda s: flood(s, frame(PRIORITY, 0, 1, bytes([0, 0, 0, 3, 9]))),
    "S13 unknown": lambda s: flood(s, frame(0xfa, 0, 0)),
    "S13 PING, nothing read": unread,
}


def descriptors(which):
    server = Server(which, 64)
    first = Peer(server)
    hoard = [socket.create_connection(server.address) for _ in range(100)]
    time.sleep(2)
    first.send(call(1, "Check"))
    first.until(lambda: first.frames.get(DATA))
    old = bool(first.frames.get(DATA))
    cpu = server.cpu()
    time.sleep(1)
    cpu = server.cpu() - cpu
    for held in hoard:
        held.close()
    start = time.monotonic()
    late = Peer(server)
    late.send(call(1, "Check"))
    late.until(lambda: late.frames.get(DATA))
    took = time.monotonic() - start
    print(f"| S16 64 descriptors | {'an open connection is served' if old else 'an open connection is NOT served'}; "
          f"a new one {took * 1000:.0f} ms after release ({'served' if late.frames.get(DATA) else 'NOT served'}) | | {cpu:.2f} per s | |", flush=True)
    server.end()


def measure(which, name):
    server = Server(which)
    neighbour = Neighbour(server)
    time.sleep(1)
    idle, rss, cpu = list(neighbour.times), server.memory("VmRSS"), server.cpu()
    start = time.monotonic()
    result = ATTACKS[name](server)
    took = time.monotonic() - start
    cpu = server.cpu() - cpu
    grown = server.memory("VmHWM") - rss
    under = neighbour.times[len(idle):]
    neighbour.over = True
    neighbour.join()
    worst = sorted(under)[len(under) * 99 // 100] * 1000 if under else float("nan")
    base = sorted(idle)[len(idle) * 99 // 100] * 1000
    print(f"| {name} | {result}; {took:.1f} s | {grown / 1024:.1f} | {cpu:.2f} | {len(under)}, {neighbour.failed} failed, "
          f"p99 {worst:.1f} ms (idle {base:.1f}) |", flush=True)
    server.end()


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    which, names = sys.argv[1], sys.argv[2:]
    print(f"| {which} | outcome | RSS peak Δ, MiB | CPU, s | neighbour's Checks |\n|---|---|---|---|---|")
    for name in ATTACKS:
        if not names or any(word in name for word in names):
            measure(which, name)
    if not names or "S16" in names:
        descriptors(which)


if __name__ == "__main__":
    main()
