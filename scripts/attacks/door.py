"""The door, S21: peers that take all places, and the clients that come meanwhile. A part of attack.py.

Each attacker is a process of its own, with an address of its own. New clients come from a third address, each with a connection for one
Check, as a kubelet's. The addresses are of 127/8, of which a connection counts a sixteenth. "Not local" they are of a network of the
attack's own, which needs root.
"""

import multiprocessing
import os
import resource
import select
import socket
import time

from attacks.sockets import Apart
from peer import DATA, LIMIT, PREFACE, SETTINGS, Peer, Server, ahead, call, frame

HELLO = PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, 1, 0)
WATCHES = b"".join(call(1 + 2 * n, "Watch") for n in range(256))


def hoard(address, source, count, first, come, over, result):
    """Holds `count` connections that say `first`, and opens another one for each that the server closes."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    held, poll, opened, failed = {}, select.epoll(), 0, 0

    def one():
        nonlocal opened, failed
        try:
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            peer.bind((source, 0))
            peer.settimeout(5)
            peer.connect(address)
            peer.sendall(first)
        except OSError:
            failed += 1
            peer.close()
            return
        peer.setblocking(False)
        held[peer.fileno()] = peer
        poll.register(peer.fileno(), select.EPOLLIN)
        opened += 1

    def replace(timeout):
        closed = 0
        for descriptor, _ in poll.poll(timeout):
            peer = held[descriptor]
            try:
                if peer.recv(1 << 16):
                    continue
            except OSError:
                pass
            poll.unregister(descriptor)
            held.pop(descriptor).close()
            closed += 1
        return closed

    for _ in range(count):
        if over.is_set():
            break
        one()
        if opened % 100 == 0:
            replace(0)
    come.set()
    while not over.is_set():
        for _ in range(replace(0.05)):
            one()
    result.put((len(held), opened, failed))


def attack(which, name, attackers, count, first, method="Check", options=(), listener="plain", local=True):
    """The attackers come and stay for 5 s more; new clients call a method through a listener all the while."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    kind, network = (Server, "127.0.0") if local else (Apart, "198.18.0")
    server = kind(which, *options, descriptors=limit)
    over, result, come, processes = multiprocessing.Event(), multiprocessing.Queue(), [], []
    rss, cpu, start = server.memory("VmRSS"), server.cpu(), time.monotonic()
    for n in range(attackers):
        come.append(multiprocessing.Event())
        arguments = (server.address, f"{network}.{n + 2}", count // attackers, first, come[-1], over, result)
        processes.append(multiprocessing.Process(target=hoard, args=arguments, daemon=True))
        processes[-1].start()
    server.move(listener)
    # The server and the new clients go ahead of the attackers.
    ahead(0)
    server.ahead()
    server.pin()
    times, refused, end = [], 0, None
    while end is None or time.monotonic() < end:
        if end is None and (all(event.is_set() for event in come) or time.monotonic() > start + 180):
            end = time.monotonic() + 5
        took = check(server, method, None if local else "198.18.1.1")
        refused += took is None
        times += [took] if took is not None else []
        time.sleep(0.01)
    over.set()
    held, opened, failed = map(sum, zip(*(result.get(timeout=60) for _ in processes)))
    for process in processes:
        process.join(10)
    at = lambda share: sorted(times)[min(int(len(times) * share), len(times) - 1)] * 1000 if times else float("nan")
    grown = (server.memory("VmHWM") - rss) / 1024
    print(f"| {name} | {held:,} held, {opened:,} opened, {failed:,} failed; {time.monotonic() - start:.1f} s | {grown:.1f} | "
          f"{server.cpu() - cpu:.2f} | {len(times) + refused} new clients, {refused} refused, p50 {at(0.5):.1f} ms, "
          f"p99 {at(0.99):.1f} ms |", flush=True)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    server.end()


def check(server, method, source):
    """How long a new client's call takes until its first message, from the connect on; `None` if it fails."""
    start = time.monotonic()
    try:
        peer = Peer(server, source=source)
        peer.send(call(1, method))
        while not peer.frames.get(DATA) and not peer.closed and time.monotonic() < start + LIMIT:
            peer.receive(1)
        answered = peer.frames.get(DATA)
        peer.socket.close()
    except OSError:
        return None
    return time.monotonic() - start if answered else None


ATTACKS = {
    "S21 2,100 silent sockets": lambda which, name: attack(which, name, 1, 2_100, b""),
    "S21 10,100 with a Watch": lambda which, name: attack(which, name, 1, 10_100, HELLO + call(1, "Watch")),
    "S21 20,000 idle, two addresses": lambda which, name: attack(which, name, 2, 20_000, HELLO),
    "S21 not local: 2,100 silent sockets": lambda which, name: attack(which, name, 1, 2_100, b"", local=False),
    "S21 not local: 10,100 with a Watch": lambda which, name: attack(
        which, name, 1, 10_100, HELLO + call(1, "Watch"), local=False),
    "S21 not local: 20,000 idle, two addresses": lambda which, name: attack(which, name, 2, 20_000, HELLO, local=False),
    # New clients watch, too.
    "S21 256 with 256 Watches": lambda which, name: attack(which, name, 1, 256, HELLO + WATCHES, "Watch"),
    "S21 a listener beside one for probes": lambda which, name: attack(
        which, name, 1, 10_100, HELLO + call(1, "Watch"), options=["--probes"], listener="probes"),
}
