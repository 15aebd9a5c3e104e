"""A scripted HTTP/2 client over loopback, and the server under test (benches/support/server.rs): for the scripts beside it.

    cargo build --release --example bench_server

Python 3 and Linux, nothing else.
"""

import multiprocessing
import os
import re
import resource
import select
import socket
import struct
import subprocess
import sys
import time

SERVER = os.environ.get("BENCH_SERVER") or os.path.join(os.path.dirname(__file__), "../target/release/examples/bench_server")
LIMIT = 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(method, *more, of="grpc.health.v1.Health"):
    fields = [(":path", f"/{of}/{method}"), (":authority", "a"), ("te", "trailers"),
              ("content-type", "application/grpc"), *more]
    text = b"\x83\x86"
    for name, value in fields:
        text += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return text


def call(stream, method, *more, service=""):
    name = b"\x0a" + bytes([len(service)]) + service.encode() if service else b""
    return frame(HEADERS, 4, stream, block(method, *more)) + frame(DATA, 1, stream, b"\0" + struct.pack(">I", len(name)) + name)


class Server:
    def __init__(self, which, *options, descriptors=4096):
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors,) * 2)
        self.process = subprocess.Popen([SERVER, which, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL,
                                        preexec_fn=limit, env={**os.environ, "RUST_BACKTRACE": "0"})
        words = self.process.stdout.readline().split()
        # Of a server with more listeners: "tls ADDR mutual ADDR listening on ADDR".
        self.addresses = {"plain": words[-1], **dict(zip(words[:-3:2], words[1:-3:2]))}
        self.move("plain")

    def move(self, listener):
        """Makes clients connect to another listener from now on."""
        host, port = self.addresses[listener].rsplit(":", 1)
        self.address = (host, int(port))

    def pin(self):
        """Gives the server the first core, and no other one."""
        os.sched_setaffinity(self.process.pid, {0})

    def ahead(self):
        """Lets the server run ahead of whatever else the machine does."""
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            ahead(int(thread))

    def memory(self, key):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(key + r":\s*(\d+)", status.read()).group(1))

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command):
        self.tell(command)
        return self.answer()

    def answer(self):
        return self.process.stdout.readline().strip()

    def has_answered(self):
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """One connection; `code` is that of the GOAWAY that it ended with, `closed` whether it has ended, `seen` is told of every frame."""

    def __init__(self, server, settings=b"", hello=True, receive_buffer=None, source=None):
        self.socket = socket.socket()
        if source:
            self.socket.bind((source, 0))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(server.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer, self.frames, self.code, self.closed, self.last = b"", {}, None, False, None
        self.seen = lambda kind, flags, stream, payload: None
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
        self.parse()
        return True

    def parse(self):
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
            self.seen(kind, flags, int.from_bytes(self.buffer[at + 5:at + 9], "big"), payload)
            at += 9 + size
        self.buffer = self.buffer[at:]

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


def connected(server, peer):
    """Whether the kernel still has the server's end of a connection in state ESTABLISHED."""
    ours, theirs = (f"0100007F:{port:04X}" for _, port in (peer.socket.getsockname(), server.address))
    with open("/proc/net/tcp") as table:
        return any(line.split()[1:4] == [theirs, ours, "01"] for line in table)


class Neighbour:
    """A client that asks for the overall status, one Check after the other, in a process of its own: it waits for no attacker's interpreter."""

    def __init__(self, server):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=neighbour, args=(server, theirs), daemon=True)
        self.process.start()

    def take(self):
        """How long each Check since the last call of this function took, and how many of these Checks failed."""
        self.pipe.send("take")
        return self.pipe.recv()

    def end(self):
        self.pipe.send("end")
        self.process.join()


def neighbour(server, pipe):
    ahead(0)
    peer, stream, times, failed = Peer(server), 1, [], 0
    peer.send(frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30)))
    while True:
        if pipe.poll():
            if pipe.recv() == "end":
                return
            pipe.send((times, failed))
            times, failed = [], 0
        before, start = peer.frames.get(DATA, 0), time.monotonic()
        peer.send(call(stream, "Check"))
        while peer.frames.get(DATA, 0) == before and not peer.closed and time.monotonic() < start + 5:
            peer.receive(1)
        failed += peer.frames.get(DATA, 0) == before
        times.append(time.monotonic() - start)
        stream += 2
        time.sleep(0.002)


def ahead(thread):
    """Lets a thread (0: the one that asks) go ahead of whatever else the machine does, if it may (as root)."""
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        print("no real-time priority: what else runs on the machine is in the times", file=sys.stderr)
