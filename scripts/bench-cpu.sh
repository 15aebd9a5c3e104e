#!/usr/bin/env bash
# CPU per Check of the server process, in microseconds: ours, tonic-health and the floor.
#
# The server has one core and h2load the other. Each round asks every server in turn, and a ratio
# is the median of the rounds' ratios, so that a busy minute of the machine falls on all of them.
#
# usage: scripts/bench-cpu.sh [ROUNDS (9)] [SERVER... (ours tonic floor)]
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need h2load nghttp2-client
need taskset util-linux

build
with_cubic "$@"

ROUNDS=${1:-9}
shift $(($# > 0))
SERVERS=("$@")
[ $# -gt 0 ] || SERVERS=(ours tonic floor)
declare -A REQUESTS=([1]=20000 [10]=60000 [100]=100000)

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
for server in "${SERVERS[@]}"; do
    row="| $server |"
    for in_flight in 1 10 100; do
        file=$WORK/$server.$in_flight
        row+=$(printf ' %.2f (%.2f–%.2f) |' "$(median <"$file")" \
            "$(sort -n "$file" | head -1)" "$(sort -n "$file" | tail -1)")
    done
    echo "$row"
done
for peer in tonic floor; do
    [ -e "$WORK/ours.1" ] && [ -e "$WORK/$peer.1" ] || continue
    row="| ours / $peer |"
    for in_flight in 1 10 100; do
        row+=$(printf " %.2f |" "$(ratios "$WORK/ours.$in_flight" "$WORK/$peer.$in_flight" | median)")
    done
    echo "$row"
done
printf '\nMedian (lowest–highest) of %s interleaved rounds. ' "$ROUNDS"
machine
