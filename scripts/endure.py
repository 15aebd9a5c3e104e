#!/usr/bin/env python3
"""What is no attack: fan-out, changes under slow readers, what the host of a server notices, and a soak. RELIABILITY.md.

    cargo build --release --example bench_server
    scripts/endure.py fanout ours|tonic [CHANGES (1000)]   S3: from the change until the last of 10,000 Watches has been told
    scripts/endure.py flips ours|tonic [CHANGES (1000000)] S4: readers that are slow and come back: lost and repeated statuses
    scripts/endure.py host [SECONDS (10) [ROUNDS (5)]]     S14: what a task waits that shares its thread with a server
    scripts/endure.py soak ours|tonic [MINUTES (60)]       S17: memory, descriptors and tasks under calls, watches and attacks

The server has the first core, the script another one; where times are measured both go ahead of other processes, if they may (as
root). Python 3 and Linux, nothing else.
"""

import multiprocessing
import os
import random
import resource
import select
import statistics
import struct
import sys
import time

sys.dont_write_bytecode = True
from peer import DATA, HEADERS, PING, PRIORITY, RST, SETTINGS, WINDOW, Peer, Server, ahead, block, call, frame

WIDE = struct.pack(">HI", 4, 0x7fffffff)
WIDEN = frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff - 65535))


def pinned(which, timed=False):
    """A server whose runtime has the first core. If it is `timed`, it runs ahead of whatever else the machine does."""
    server = Server(which)
    server.pin()
    if timed:
        server.ahead()
    return server


def watchers(server, connections, each):
    peers = []
    for _ in range(connections):
        peer = Peer(server, WIDE)
        peer.send(WIDEN + b"".join(call(s, "Watch") for s in range(1, 2 * each, 2)))
        peer.until(lambda: peer.frames.get(DATA, 0) == each)
        peers.append(peer)
    return peers


def rank(times, share):
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def fanout(which, changes=1000):
    connections, each = 100, 100
    server, last, told = pinned(which, timed=True), {}, 0
    ahead(0)

    def follow(peer):
        def seen(kind, flags, stream, payload):
            nonlocal told
            if kind == DATA:
                told += 1
                last[peer, stream] = payload[-1]
        peer.seen = seen

    peers = watchers(server, connections, each)
    poll = select.epoll()
    for peer in peers:
        follow(peer)
        poll.register(peer.socket, select.EPOLLIN)
    by_descriptor = {peer.socket.fileno(): peer for peer in peers}
    times, cpu = [], server.cpu()
    for n in range(changes):
        told, size, status, start = 0, 0, 2 - n % 2, time.monotonic()
        server.tell("flip 1 0")
        # Frames are looked at when the clock has stopped: a message is 16 bytes of them.
        while told < connections * each:
            while size < 16 * connections * each:
                ready = poll.poll(5)
                assert ready, f"{size} bytes of change {n} and no more"
                for descriptor, _ in ready:
                    data = by_descriptor[descriptor].socket.recv(1 << 16)
                    assert data, "closed"
                    by_descriptor[descriptor].buffer += data
                    size += len(data)
            took = time.monotonic() - start
            size = 0
            for peer in peers:
                peer.parse()
        times.append(took * 1000)
        server.answer()
        assert told == connections * each and all(shown == status for shown in last.values()), "lost or told twice"
    cpu = (server.cpu() - cpu) / changes * 1000
    print(f"| {which} | {changes:,} changes × {connections * each:,} Watches, each told of each once | p50 {rank(times, .5):.1f} ms, "
          f"p99 {rank(times, .99):.1f} ms, most {max(times):.1f} ms | CPU {cpu:.1f} ms per change |", flush=True)
    server.end()


class Reader:
    """A connection with some Watches of the overall status, that keeps count of what is told twice."""

    def __init__(self, server, tally):
        self.tally, self.watches, self.owed = tally, random.randint(1, 25), {}
        self.last = {}
        self.window = random.choice([7, 70, 0x7fffffff])
        # Few bytes in the kernel: it is the server that waits.
        self.peer = Peer(server, struct.pack(">HI", 4, self.window), receive_buffer=2048)
        self.peer.seen = self.seen
        self.peer.send(WIDEN + b"".join(call(s, "Watch") for s in range(1, 2 * self.watches, 2)))
        self.rests_until = 0

    def seen(self, kind, flags, stream, payload):
        if kind == DATA:
            self.tally["messages"] += 1
            # Messages are seven bytes, and the windows a multiple of that.
            status = payload[-1]
            self.tally["repeated"] += self.last.get(stream) == status
            self.last[stream] = status
            self.owed[stream] = self.owed.get(stream, 0) + len(payload)

    def read(self):
        read = self.peer.receive(0)
        assert not self.peer.closed, "closed"
        if self.window < 1000 and self.owed:
            self.peer.send(b"".join(frame(WINDOW, 0, s, struct.pack(">I", owed)) for s, owed in self.owed.items()), reading=False)
        self.owed.clear()
        return read


def flips(which, changes=1_000_000):
    random.seed(1)
    server, tally = pinned(which), {"messages": 0, "repeated": 0, "reconnected": 0}
    readers = [Reader(server, tally) for _ in range(40)]
    server.tell(f"flip {changes} 10")
    while not server.has_answered():
        now, n = time.monotonic(), random.randrange(len(readers))
        if random.random() < 0.001:
            readers[n].peer.socket.close()
            readers[n] = Reader(server, tally)
            tally["reconnected"] += 1
        elif random.random() < 0.005:
            readers[n].rests_until = now + random.random()
        elif readers[n].rests_until < now:
            readers[n].read()
    server.answer()
    quiet = time.monotonic()
    while time.monotonic() < quiet + 1:
        if any([reader.read() for reader in readers]):
            quiet = time.monotonic()
    lost = sum(reader.last.get(1 + 2 * n) != 1 + changes % 2 for reader in readers for n in range(reader.watches))
    watches = sum(reader.watches for reader in readers)
    print(f"| {which} | {changes:,} changes, {tally['messages']:,} messages read, {tally['reconnected']:,} connections replaced | "
          f"{lost} of {watches} last statuses lost | {tally['repeated']:,} repeated |", flush=True)
    server.end()


FLOODS = [frame(PING, 0, 0, bytes(8)), frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)), frame(WINDOW, 0, 0, bytes([0, 0, 0, 1])),
          frame(PRIORITY, 0, 1, bytes([0, 0, 0, 3, 9])), frame(0xfa, 0, 0)]


def flood(server, which, until):
    """Frames of one kind as fast as they are taken, on a new connection whenever one is closed."""
    os.sched_setaffinity(0, {1})
    frames = FLOODS[which] * 10_000
    while time.monotonic() < until:
        peer = Peer(server, WIDE)
        while not peer.closed and time.monotonic() < until:
            peer.send(frames)
        peer.socket.close()


def host(seconds=10, repeats=5):
    loads = ["alone", "10,000 idle Watches"] + [f"flood of {name}" for name in ("PING", "SETTINGS", "WINDOW_UPDATE", "PRIORITY", "unknown")]
    results = {}
    for _ in range(repeats):
        for which in ("ours", "tonic"):
            for n, load in enumerate(loads):
                server, peers, attacker = pinned(which, timed=True), [], None
                if n == 1:
                    peers = watchers(server, 100, 100)
                elif n > 1:
                    until = time.monotonic() + seconds + 0.5
                    attacker = multiprocessing.Process(target=flood, args=(server, n - 2, until))
                    attacker.start()
                time.sleep(0.2)
                cpu, waits = server.cpu(), server.ask(f"latency {seconds}").split()
                cpu = server.cpu() - cpu
                if attacker:
                    attacker.join()
                results.setdefault((which, load), []).append([int(wait) / 1000 for wait in waits] + [cpu / seconds])
                server.end()
    # What else the machine does can only add: the lowest of the rounds is the server's.
    print("| what the server does | p50 | p99 | p99.9 | above a server alone | p99.9 of each round | CPU |\n|---|---|---|---|---|---|---|")
    for (which, load), rounds in results.items():
        p50, p99, p999, _, _ = map(min, zip(*rounds))
        alone = min(values[2] for values in results[which, "alone"])
        each = ", ".join(f"{values[2]:.0f}" for values in rounds)
        cpu = statistics.median(values[4] for values in rounds)
        print(f"| {which}: {load} | {p50:.0f} µs | {p99:.0f} µs | {p999:.0f} µs | {p999 - alone:+.0f} µs | {each} | {cpu:.2f} |")


def misbehave(server):
    """An attack on a connection of its own, chosen at random: to its end, or for a second."""
    peer, end = Peer(server, struct.pack(">HI", 4, random.choice([0, 7, 65535]))), time.monotonic() + 1
    kind = random.randrange(8)
    if kind < len(FLOODS):
        attack = FLOODS[kind] * 5_000
    elif kind == 5:
        attack = b"".join(call(s, "Watch") + frame(RST, 0, s, bytes([0, 0, 0, 8])) for s in range(1, 2001, 2))
    elif kind == 6:
        attack = b"".join(frame(HEADERS, 4, s, block("Check") + bytes([0x40, 1, 97, 0]) + bytes([0x80 | 62]) * 200) for s in range(1, 257, 2))
    else:
        attack = random.randbytes(2_000)
    view, sent = memoryview(attack), 0
    while sent < len(view) and not peer.closed and time.monotonic() < end:
        sent += peer.send(view[sent:sent + 65536])
    peer.socket.close()


def soak(which, minutes=60):
    random.seed(1)
    server, tally = pinned(which), {"messages": 0, "repeated": 0}
    state = lambda: (server.descriptors(), int(server.ask("tasks")))
    # What is made once, on the first call of each kind, is no leak.
    for _ in range(50):
        misbehave(server)
    time.sleep(2)
    base, start, end = state(), time.monotonic(), time.monotonic() + minutes * 60
    readers, checker, stream, checks, attacks, replaced, samples, due = [], Peer(server, WIDE), 1, 0, 0, 0, [], 0
    checker.send(WIDEN)
    while time.monotonic() < end:
        for _ in range(10):
            before = checker.frames.get(HEADERS, 0)
            checker.send(b"".join(call(s, "Check") for s in range(stream, stream + 40, 2)))
            stream, checks = stream + 40, checks + 20
            checker.until(lambda: checker.frames.get(HEADERS, 0) == before + 40)
            assert checker.frames.get(HEADERS, 0) == before + 40, "a Check was not answered"
        server.ask("flip 10 0")
        if len(readers) < 20:
            readers.append(Reader(server, tally))
        else:
            n = random.randrange(len(readers))
            readers[n].peer.socket.close()
            readers[n], replaced = Reader(server, tally), replaced + 1
        for reader in readers:
            reader.read()
        misbehave(server)
        attacks += 1
        time.sleep(0.02)
        if stream > 1 << 30:
            checker.socket.close()
            checker, stream = Peer(server, WIDE), 1
            checker.send(WIDEN)
        if time.monotonic() >= due:
            samples.append(((time.monotonic() - start) / 3600, server.memory("VmRSS") / 1024))
            due = time.monotonic() + 5
    for reader in readers:
        reader.peer.socket.close()
    checker.socket.close()
    time.sleep(15)
    after = state()
    # The first fifth is the warm-up.
    late = samples[len(samples) // 5:]
    slope, _ = statistics.linear_regression([at for at, _ in late], [rss for _, rss in late])
    half = len(late) // 2
    means = [statistics.mean(rss for _, rss in part) for part in (late[:half], late[half:])]
    print(f"| {which} | {minutes:g} min: {checks:,} Checks, {replaced:,} connections of Watches replaced, {attacks:,} attacks, {tally['messages']:,} messages | "
          f"RSS {late[0][1]:.2f} → {late[-1][1]:.2f} MiB, most {max(rss for _, rss in samples):.2f}, means of the halves {means[0]:.2f} and {means[1]:.2f}, slope {slope:+.2f} MiB/h | "
          f"descriptors {base[0]} → {after[0]}, tasks {base[1]} → {after[1]} |", flush=True)
    server.end()


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    what, *arguments = sys.argv[1:] or ["help"]
    os.sched_setaffinity(0, {1})
    if what == "host":
        host(*map(int, arguments))
    elif what in ("fanout", "flips", "soak") and arguments:
        which, *number = arguments
        {"fanout": fanout, "flips": flips}.get(what, soak)(which, *map(float if what == "soak" else int, number))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
