#!/usr/bin/env python3
"""Cancels streams of grpcio's behind their first replies, on one connection, as fast as it can or at a rate, and stops by itself.

    tests/interop/run.sh -k Early     builds the server and an environment with grpcio
    target/interop-venv/bin/python scripts/cancel.py [SECONDS (60) [PER_SECOND (no limit)]]

Exits with 1 if the connection is lost, or anything is counted as a flood or an error. RELIABILITY.md has its figures.
"""

import os
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "interop"))
import grpc
from process import Process

# How many streams are open at once: each is cancelled when its successors have been started.
OPEN = 16


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else float("inf")
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    server = Process(os.path.join(target, "debug", "examples", "interop_echo"))
    cancelled, start = 0, time.monotonic()
    with grpc.insecure_channel(server.address) as channel:
        method = channel.unary_stream("/grpc.health.v1.Health/Watch")
        while (passed := time.monotonic() - start) < seconds:
            if cancelled > passed * rate:
                time.sleep(0.001)
                continue
            calls = [method(b"") for _ in range(OPEN)]
            for call in calls:
                next(call)
            for call in calls:
                call.cancel()
            cancelled += OPEN
    stats = dict(line.split() for line in server.finish().splitlines())
    print(f"{cancelled:,} streams cancelled in {passed:.0f} s, {cancelled / passed:,.0f} a second:", stats)
    sys.exit(any((stats["connections"] != "1", stats["floods"] != "0", stats["connection_errors"] != "0")))


if __name__ == "__main__":
    main()
