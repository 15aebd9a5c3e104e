#!/usr/bin/env bash
# What one probe costs from start to exit, beside the probe of crates.io: wall clock, processor time, and the largest resident memory.
# Both probe one server of ours on the loopback interface. Also a refused port, which is refused at once, and TLS.
#
# The peer is installed into target/bench-probe. Nothing else is: neither PyPI nor Debian has a peer, and grpc-health-probe itself is a
# Go module, which needs a Go toolchain. GRPC_HEALTH_PROBE=/path/to/grpc_health_probe measures that one, too.
#
# usage: scripts/bench-probe.sh [ROUNDS (200)]
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need python3 python3
need openssl openssl
[ -x /usr/bin/time ] || { say "$0: /usr/bin/time is not installed (Debian: apt-get install time)"; exit 1; }

ROUNDS=${1:-200}
TARGET=${CARGO_TARGET_DIR:-target}
PEER=$TARGET/bench-probe/bin/grpc_health_probe
[ -n "${BENCH_SKIP_BUILD:-}" ] || cargo build --quiet --locked --release --features cli --bins
if [ ! -x "$PEER" ]; then
    # Its build script wants a protoc: that of PyPI's grpcio-tools, for this build alone.
    python3 -m venv "$TARGET/bench-probe/venv"
    "$TARGET/bench-probe/venv/bin/pip" install --quiet grpcio-tools==1.85.1
    printf '#!/bin/sh\nexec "%s" -m grpc_tools.protoc "$@"\n' "$(realpath -s "$TARGET/bench-probe/venv/bin/python")" >"$TARGET/bench-probe/protoc"
    chmod +x "$TARGET/bench-probe/protoc"
    PROTOC=$(realpath "$TARGET/bench-probe/protoc") \
        cargo install --quiet --locked --version 1.0.1 --target-dir "$TARGET/bench-probe/build" --root "$TARGET/bench-probe" grpc_health_probe
fi

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
    -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>/dev/null
coproc OURS { exec "$TARGET/release/grpc-health" serve --listen 127.0.0.1:0 --tls-cert "$WORK/cert.pem" --tls-key "$WORK/key.pem" \
    --listen-plain 127.0.0.1:0 2>"$WORK/server.err"; }
PIDS+=("$OURS_PID")
read -r secure <&"${OURS[0]}"
read -r plain <&"${OURS[0]}"

python3 - "$ROUNDS" "$TARGET/release/grpc-health" "$TARGET/release/grpc_health_probe" "$PEER" "${plain#listening on }" "${secure#listening on }" "$WORK/cert.pem" <<'PYTHON'
import os, socket, statistics, subprocess, sys, time

rounds, ours, alone, peer, plain, secure, cert = sys.argv[1:]
rounds = int(rounds)
# Bound and not listened on: connections are refused.
closed = socket.socket()
closed.bind(("127.0.0.1", 0))
refused = "127.0.0.1:%d" % closed.getsockname()[1]

probe = [ours, "probe", "-addr"]
# Its default service is a text of two quotation marks, so name the server as a whole.
crates_io = lambda addr: [peer, "--addr", "http://" + addr, "--service", ""]
cases = [
    ("serving", "ours", probe + [plain], 0),
    ("serving", "ours, the program alone", [alone, "-addr", plain], 0),
    ("serving", "ours, by name", probe + [plain.replace("127.0.0.1", "localhost")], 0),
    ("serving", "grpc_health_probe 1.0.1 (crates.io)", crates_io(plain), 0),
    ("TLS", "ours", probe + [secure, "-tls", "-tls-ca-cert", cert], 0),
    ("TLS", "ours, the program alone", [alone, "-addr", secure, "-tls", "-tls-ca-cert", cert], 0),
    ("refused", "ours", probe + [refused], 2),
    ("refused", "grpc_health_probe 1.0.1 (crates.io)", crates_io(refused), None),
    ("floor", "/bin/true", ["/bin/true"], 0),
]
go = os.environ.get("GRPC_HEALTH_PROBE")
if go:
    cases.insert(2, ("serving", "grpc_health_probe (Go)", [go, "-addr", plain], 0))

quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]

def once(command, code):
    """Milliseconds from start to exit, and of processor time."""
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    took = time.perf_counter() - start
    ended = os.waitstatus_to_exitcode(status)
    if code is not None and ended != code:
        sys.exit("%s ended with %d" % (command, ended))
    return took * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3

def peak(command):
    """The largest resident memory in kB. From `time`: a child's figure is at least that of its parent, and `time` is small."""
    command = ["/usr/bin/time", "-q", "-f", "%M"] + command
    return int(subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).stderr.split()[-1])

load = [os.getloadavg()[0]]
figures = {case[:2]: ([], []) for case in cases}
for case in cases:
    once(*case[2:])
for _ in range(rounds):
    for case in cases:
        for figure, list_ in zip(once(*case[2:]), figures[case[:2]]):
            list_.append(figure)
load.append(os.getloadavg()[0])

print("| one probe | | wall clock, ms | lowest | p90 | processor, ms | ratio to ours | peak RSS, kB |")
print("|---|---|---|---|---|---|---|---|")
for what, who, command, _ in cases:
    walls, cpus = figures[what, who]
    base = figures.get((what, "ours"))
    ratio = statistics.median(a / b for a, b in zip(walls, base[0])) if base else 0
    rss = statistics.median(peak(command) for _ in range(9))
    print("| %s | %s | %.2f | %.2f | %.2f | %.2f | %s | %.0f |" % (
        what, who, statistics.median(walls), min(walls), sorted(walls)[int(len(walls) * 0.9)],
        statistics.median(cpus), "%.2f" % ratio if base else "–", rss))
print("\nMedians of %d interleaved rounds; a ratio is the median of the rounds' ratios of wall clock; the memory is the median of 9 runs,"
      " 1 kB = 1,024 bytes. Load average %.1f at the beginning, %.1f at the end." % (rounds, *load))
PYTHON
machine
