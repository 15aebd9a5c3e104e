"""The servers that the tests start."""

import subprocess


class Process:
    """A server process that prints `listening on ADDR`."""

    def __init__(self, *command, stderr=None):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
        line = self.process.stdout.readline()
        prefix = "listening on "
        if not line.startswith(prefix):
            raise AssertionError(f"{command[0]} printed {line!r}")
        self.address = line.removeprefix(prefix).strip()

    def send(self, command):
        """Gives the flip server a command and waits until it is done."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if answer != "ok\n":
            raise AssertionError(f"{command} was answered by {answer!r}")

    def finish(self):
        """Ends its input, and returns what it prints until its own end."""
        self.process.stdin.close()
        printed = self.process.stdout.read()
        if self.process.wait() != 0:
            raise AssertionError(f"exit code {self.process.returncode}")
        return printed

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
