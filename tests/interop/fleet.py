"""Three servers behind a balancer, calls through the balancer, and how both are watched."""

import collections
import faulthandler
import os
import signal
import threading
import time

import grpc
from process import Process

# How long an event is waited for. Far longer than it takes; only a failure gets here.
PATIENCE = 60
# How long the runs with random flips last. RELIABILITY.md has figures of 60 seconds.
SECONDS = float(os.environ.get("FLEET_SECONDS", "15"))
# The long runs have the settings that the guide recommends: a server lingers for the time of the checks that a balancer needs to notice,
# and half a second more. A machine that is busy with other things may need longer, so the short runs have more, and faster checks.
LONG = SECONDS >= 60
SLACK = 0.5 if LONG else 1.5
NAMES = ["a", "b", "c"]
# The whole run, should something hang where no deadline reaches.
faulthandler.dump_traceback_later(300 + 10 * SECONDS, exit=True)


def until(is_so, what, patience=PATIENCE):
    """Asks again and again, since nobody tells. Returns what is true at last."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = is_so()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {what() if callable(what) else what}")


class Server(Process):
    """`interop_fleet`, with every service SERVING."""

    def __init__(self, name, place, options):
        super().__init__(os.environ["INTEROP_FLEET_BIN"], name, place, *options)
        self.name = name
        self.set("shop", "serving")

    def set(self, service, status):
        self.send(f"set {service} {status}")

    def metrics(self):
        """The value of each counter and gauge, by its name and labels."""
        self.process.stdin.write("metrics\n")
        self.process.stdin.flush()
        values = {}
        for line in iter(self.process.stdout.readline, "ok\n"):
            if line.strip() and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def watches(self):
        """The number of Watch calls so far."""
        return sum(
            value for name, value in self.metrics().items()
            if name.startswith("grpc_health_checks{") and 'prober="grpc_watch"' in name
        )

    def drain(self):
        """Sends SIGTERM, and returns what the server has counted when it has ended."""
        self.process.send_signal(signal.SIGTERM)
        printed = self.process.stdout.read()
        if self.process.wait() != 0:
            raise AssertionError(f"exit code {self.process.returncode}")
        self.process.stdin.close()
        self.process.stdout.close()
        return {name: int(value) for name, value in (line.split() for line in printed.splitlines())}


class Fleet:
    """Three servers that can be restarted. What each one counts is added up."""

    def __init__(self, *options, places=None):
        self.options = options
        # Addresses of their own: no client's port can be taken for one of theirs while a server is down.
        places = places or [f"127.0.1.{number}:0" for number in range(1, 4)]
        self.servers = {
            name: Server(name, place, options) for name, place in zip(NAMES, places)
        }
        self.counted = collections.Counter()

    def __getitem__(self, name):
        return self.servers[name]

    def addresses(self):
        return [server.address for server in self.servers.values()]

    def restart(self, name, between=lambda: None):
        """Ends a server in good order, and starts it anew at the same address, after what has to happen in between."""
        old = self.servers[name]
        watches = old.watches()
        self.counted.update(old.drain())
        self.counted["watches"] += watches
        between()
        self.servers[name] = Server(name, old.address, self.options)

    def end(self):
        """Drains all that is left, and returns what all have counted."""
        for server in self.servers.values():
            self.counted["watches"] += server.watches()
            self.counted.update(server.drain())
        return self.counted

    def close(self):
        for server in self.servers.values():
            if server.process.poll() is None:
                server.close()


class Load:
    """Calls at a steady rate from threads of its own, and remembers who answered."""

    def __init__(self, channel, rate, threads=4, method="/test.Fleet/Who"):
        self.method = channel.unary_unary(method)
        self.pause = threads / rate
        self.prepare([threading.Thread(target=self.run, daemon=True) for _ in range(threads)])

    def prepare(self, threads):
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.latest = collections.deque(maxlen=60)
        self.answers = collections.Counter()
        self.errors = []
        self.threads = threads
        for thread in threads:
            thread.start()

    def run(self):
        due = time.monotonic()
        while not self.ended.is_set():
            try:
                self.note(self.method(b"", timeout=PATIENCE).decode(), None)
            except grpc.RpcError as failed:
                self.note(None, f"{failed.code().name}: {failed.details()}")
            due = max(due + self.pause, time.monotonic() - 1)
            self.ended.wait(max(0, due - time.monotonic()))

    def note(self, name, error):
        with self.lock:
            if error:
                self.errors.append(error)
            else:
                self.answers[name] += 1
                self.latest.append(name)

    def calls(self):
        with self.lock:
            return sum(self.answers.values()) + len(self.errors)

    def forget(self):
        """What has been answered until now says nothing about what is awaited."""
        with self.lock:
            self.latest.clear()

    def wait_for(self, *names):
        """Waits until the latest calls were answered by exactly these servers."""
        def so():
            with self.lock:
                return len(self.latest) == self.latest.maxlen and set(self.latest) == set(names)

        self.forget()
        until(so, lambda: f"answers by {names}, the latest are by {set(self.latest)}, errors {self.errors[-3:]}")

    def wait_answer(self, name):
        """Waits until the server has answered a call that began after now."""
        def so():
            with self.lock:
                return name in self.latest

        self.forget()
        until(so, lambda: f"an answer by {name}, the latest are by {set(self.latest)}, errors {self.errors[-3:]}")

    def end(self):
        """Returns the number of calls and the errors."""
        self.ended.set()
        for thread in self.threads:
            thread.join()
        return sum(self.answers.values()) + len(self.errors), self.errors


class Temporary:
    """Adds to a test case a folder of its own."""

    def folder(self):
        import tempfile

        folder = tempfile.TemporaryDirectory(prefix="grpc-health-")
        self.addCleanup(folder.cleanup)
        return folder.name
