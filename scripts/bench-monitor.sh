#!/usr/bin/env bash
# What a monitor costs its process: memory, and CPU while the statuses stay and while they flip. Takes half a minute a table. CPU is the
# process's own time, so a busy machine matters little.
#
# usage: scripts/bench-monitor.sh [ENDPOINTS SERVICES SECONDS]... (1000 1 10 and 1 1000 10)
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"

TARGET=${CARGO_TARGET_DIR:-target}
[ -n "${BENCH_SKIP_BUILD:-}" ] || cargo build --quiet --locked --release --features client --example bench_monitor
# Each process has a socket for each endpoint.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -H -n)"
[ $# -gt 0 ] || set -- 1000 1 10 1 1000 10
while [ $# -ge 3 ]; do
    timeout 300 "$TARGET/release/examples/bench_monitor" "$1" "$2" "$3"
    echo
    shift 3
done
machine
