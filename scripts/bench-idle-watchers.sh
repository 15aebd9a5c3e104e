#!/usr/bin/env bash
# What idle watchers cost the Checks beside them: CPU and instructions of the server per Check on
# one connection that holds 1,000 idle Watches, against one that holds none. Nothing that happens
# for a Check may walk the other streams.
#
# usage: [ROUNDS=9] scripts/bench-idle-watchers.sh [SERVER... (ours tonic)]
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need taskset util-linux
need valgrind valgrind

SERVERS=("$@")
[ $# -gt 0 ] || SERVERS=(ours tonic)
ROUNDS=${ROUNDS:-9}
WATCHES=1000
STREAMS=2000               # more than Watches and Checks together
FLIGHTS=(10 100)
declare -A REQUESTS=([10]=50000 [100]=100000) FEW=([10]=2000 [100]=2000) MANY=([10]=12000 [100]=12000)
OUT=target/callgrind
mkdir -p "$OUT"
build

for _ in $(seq "$ROUNDS"); do
    for server in "${SERVERS[@]}"; do
        for watches in 0 "$WATCHES"; do
            start_server taskset -c "$SERVER_CORE" -- "$server" --max-streams "$STREAMS"
            start_load
            load hold 1 "$watches"
            load check 1 10 10000 # warm-up
            for in_flight in "${FLIGHTS[@]}"; do
                requests=${REQUESTS[$in_flight]}
                before=$(server_cpu)
                load check 1 "$in_flight" "$requests"
                after=$(server_cpu)
                awk -v a="$after" -v b="$before" -v n="$requests" \
                    'BEGIN { printf "%.3f\n", (a - b) / n / 1000 }' \
                    >>"$WORK/$server.$watches.$in_flight"
            done
            stop_load
            stop_server
        done
    done
done

count() { # count SERVER WATCHES IN_FLIGHT REQUESTS
    local profile=$OUT/$1.w$2.m$3.n$4
    start_server taskset -c "$SERVER_CORE" valgrind --tool=callgrind \
        --callgrind-out-file="$profile" -- "$1" --max-streams "$STREAMS"
    start_load
    load hold 1 "$2"
    load check 1 "$3" "$4"
    stop_load
    stop_server
    COUNT=$(sed -n 's/^summary: //p' "$profile")
}

instructions() { # instructions SERVER WATCHES IN_FLIGHT: sets PER_CHECK
    local base
    count "$1" "$2" "$3" "${FEW[$3]}"
    base=$COUNT
    count "$1" "$2" "$3" "${MANY[$3]}"
    PER_CHECK=$(((COUNT - base) / (${MANY[$3]} - ${FEW[$3]})))
}

printf '| one connection, idle Watches on it: | 0 | %s | ratio |\n|---|---|---|---|\n' "$WATCHES"
for server in "${SERVERS[@]}"; do
    for in_flight in "${FLIGHTS[@]}"; do
        none=$(median <"$WORK/$server.0.$in_flight")
        some=$(median <"$WORK/$server.$WATCHES.$in_flight")
        printf '| %s, m=%s, CPU µs per Check | %.2f | %.2f | %.2f |\n' \
            "$server" "$in_flight" "$none" "$some" \
            "$(ratios "$WORK/$server.$WATCHES.$in_flight" "$WORK/$server.0.$in_flight" | median)"
        instructions "$server" 0 "$in_flight"
        none=$PER_CHECK
        instructions "$server" "$WATCHES" "$in_flight"
        printf '| %s, m=%s, instructions per Check | %s | %s | %s |\n' \
            "$server" "$in_flight" "$none" "$PER_CHECK" "$(ratio "$PER_CHECK" "$none")"
    done
done
printf '\nCPU: medians of %s interleaved rounds, and of the ratios in each. ' "$ROUNDS"
machine
