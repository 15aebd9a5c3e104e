#!/usr/bin/env bash
# Instructions per Check of the server process, counted by callgrind: ours, tonic-health and the
# floor. Repeatable where time is noisy.
#
# Each server runs twice, with two numbers of Checks; the slope between them leaves out start-up.
# The profiles stay in target/callgrind/ for callgrind_annotate.
#
# usage: scripts/bench-instructions.sh [SERVER... (ours tonic floor)]
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need h2load nghttp2-client
need valgrind valgrind

SERVERS=("$@")
[ $# -gt 0 ] || SERVERS=(ours tonic floor)
OUT=target/callgrind
mkdir -p "$OUT"
build

printf '| instructions per Check, h2load -c 4 | m=1 | m=100 |\n|---|---|---|\n'
declare -A PER_CHECK
for server in "${SERVERS[@]}"; do
    row="| $server |"
    for in_flight in 1 100; do
        PER_CHECK[$server.$in_flight]=$(per_check "$in_flight" "$OUT" "$server")
        row+=" ${PER_CHECK[$server.$in_flight]} |"
    done
    echo "$row"
done
for peer in tonic floor; do
    [ -n "${PER_CHECK[ours.1]:-}" ] && [ -n "${PER_CHECK[$peer.1]:-}" ] || continue
    row="| ours / $peer |"
    for in_flight in 1 100; do
        row+=" $(ratio "${PER_CHECK[ours.$in_flight]}" "${PER_CHECK[$peer.$in_flight]}") |"
    done
    echo "$row"
done
printf '\n%s. ' "$(valgrind --version)"
machine
