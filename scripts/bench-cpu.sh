#!/usr/bin/env bash
# CPU per Check of the server process, in microseconds: ours, tonic-health and the floor.
#
# The server has one core and h2load the other. Each round asks every server in turn; the table
# has the medians, then the lowest and highest.
#
# usage: scripts/bench-cpu.sh [ROUNDS (5)] [SERVER... (ours tonic floor)]
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need h2load nghttp2-client
need taskset util-linux

ROUNDS=${1:-5}
shift $(($# > 0))
SERVERS=("$@")
[ $# -gt 0 ] || SERVERS=(ours tonic floor)
declare -A REQUESTS=([1]=40000 [10]=100000 [100]=200000)
build

for round in $(seq "$ROUNDS"); do
    for server in "${SERVERS[@]}"; do
        start_server taskset -c "$SERVER_CORE" -- "$server"
        h2load_checks 10000 10 # warm-up
        for in_flight in 1 10 100; do
            before=$(server_cpu)
            h2load_checks "${REQUESTS[$in_flight]}" "$in_flight"
            after=$(server_cpu)
            awk -v a="$after" -v b="$before" -v n="${REQUESTS[$in_flight]}" \
                'BEGIN { printf "%.3f\n", (a - b) / n / 1000 }' >>"$WORK/$server.$in_flight"
        done
        stop_server
    done
    say "round $round of $ROUNDS"
done

printf '| CPU µs per Check, h2load -c 4 | m=1 | m=10 | m=100 |\n|---|---|---|---|\n'
declare -A MEDIAN
for server in "${SERVERS[@]}"; do
    row="| $server |"
    for in_flight in 1 10 100; do
        file=$WORK/$server.$in_flight
        MEDIAN[$server.$in_flight]=$(median <"$file")
        row+=$(printf ' %.2f (%.2f–%.2f) |' "${MEDIAN[$server.$in_flight]}" \
            "$(sort -n "$file" | head -1)" "$(sort -n "$file" | tail -1)")
    done
    echo "$row"
done
for peer in tonic floor; do
    [ -n "${MEDIAN[ours.1]:-}" ] && [ -n "${MEDIAN[$peer.1]:-}" ] || continue
    row="| ours / $peer |"
    for in_flight in 1 10 100; do
        row+=" $(ratio "${MEDIAN[ours.$in_flight]}" "${MEDIAN[$peer.$in_flight]}") |"
    done
    echo "$row"
done
printf '\nMedian (lowest–highest) of %s interleaved rounds. ' "$ROUNDS"
machine
