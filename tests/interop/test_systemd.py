"""The units of examples/systemd: systemd reads them, and their command does as it is told. Started by run.sh."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import unittest

from fleet import Temporary

GRPC_HEALTH = os.environ["GRPC_HEALTH_BIN"]
FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "systemd")
INSTALLED = "/usr/local/bin/grpc-health"
# As systemd does it: the sockets are descriptors 3 and 4, and the variables say so to this process alone.
ACTIVATE = 'LISTEN_PID=$$ LISTEN_FDS=2; export LISTEN_PID LISTEN_FDS; exec "$@" 3<&"$A" 4<&"$B"'


def unit(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def values(text, key):
    """The values of a key, with continued lines joined."""
    return re.findall(rf"^{key}=(.*)$", text.replace("\\\n", " "), re.MULTILINE)


class Units(Temporary, unittest.TestCase):
    def test_systemd_analyze_verify(self):
        if shutil.which("systemd-analyze") is None:
            print("systemd-analyze is not here: nobody has verified the units of examples/systemd")
            return
        folder = self.folder()
        for name in os.listdir(FOLDER):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                # The command is built, and not installed.
                file.write(unit(name).replace(INSTALLED, os.path.abspath(GRPC_HEALTH)))
        paths = sorted(os.path.join(folder, name) for name in os.listdir(FOLDER))
        verified = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False
        )
        mine = [line for line in verified.stderr.splitlines() if "grpc-health" in line]
        self.assertEqual((verified.returncode, mine), (0, []), verified.stderr)
        print("systemd-analyze verify: the units of examples/systemd are right")

    def test_the_times_fit_together(self):
        text = unit("grpc-health.service")
        (command,) = values(text, "ExecStart")
        linger, deadline = (float(re.search(rf"--drain-{key} (\d+)s", command)[1]) for key in ["linger", "deadline"])
        (stop,) = values(text, "TimeoutStopSec")
        self.assertGreaterEqual(float(stop), linger + deadline + 1)
        self.assertEqual(values(text, "Type"), ["notify"])

    def test_the_command_on_the_sockets_of_the_unit(self):
        folder = self.folder()
        (command,) = values(unit("grpc-health.service"), "ExecStart")
        command = [word.replace("/run/grpc-health", folder) for word in shlex.split(command)]
        self.assertEqual(command[0], INSTALLED)
        command[0] = GRPC_HEALTH
        path = os.path.join(folder, "health.sock")
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as tcp, \
                socket.socket(socket.AF_UNIX) as local, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            local.bind(path)
            local.listen()
            notify.bind(os.path.join(folder, "notify"))
            notify.settimeout(60)
            environment = {
                **os.environ, "NOTIFY_SOCKET": os.path.join(folder, "notify"), "WATCHDOG_USEC": "1000000",
                "A": str(tcp.fileno()), "B": str(local.fileno()),
            }
            server = subprocess.Popen(
                ["sh", "-c", ACTIVATE, "sh", *command], env=environment, stdout=subprocess.PIPE, text=True,
                pass_fds=[tcp.fileno(), local.fileno()],
            )
            self.addCleanup(server.stdout.close)
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            self.assertEqual(notify.recv(1024), b"READY=1\nSTATUS=serving")
            self.assertEqual(notify.recv(1024), b"WATCHDOG=1")
            for address in [f"[::1]:{tcp.getsockname()[1]}", f"unix:{path}"]:
                said = subprocess.run([GRPC_HEALTH, "check", address], capture_output=True, text=True, check=False)
                self.assertEqual((said.returncode, said.stdout), (0, "SERVING\n"))
            server.send_signal(signal.SIGTERM)
            while notify.recv(1024) != b"STOPPING=1\nSTATUS=draining":
                pass
            # The watchdog is fed while the server drains.
            self.assertEqual(notify.recv(1024), b"WATCHDOG=1")
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(60), 0)
