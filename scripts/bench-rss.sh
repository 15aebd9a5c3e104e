#!/usr/bin/env bash
# Resident memory of the server: per idle connection that holds one Watch, and per further idle
# Watch on a connection. Slopes, so that what the process needs anyway cancels.
#
# usage: scripts/bench-rss.sh [SERVER... (ours tonic)]
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need taskset util-linux

SERVERS=("$@")
[ $# -gt 0 ] || SERVERS=(ours tonic)
ROUNDS=3
FEW=200 MANY=1000          # connections with one Watch each
WIDE=20 WATCHES=200        # connections, and Watches on each of them
ulimit -n $((2 * MANY + 100))
build

# Pages it has touched, kB.
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$SERVER_PID/status"; }

slope() { awk -v a="$1" -v b="$2" -v n="$3" 'BEGIN { printf "%.3f\n", (b - a) * 1.024 / n }'; }

for _ in $(seq "$ROUNDS"); do
    for server in "${SERVERS[@]}"; do
        start_server taskset -c "$SERVER_CORE" -- "$server"
        start_load
        load hold "$FEW" 1
        before=$(rss)
        load hold "$MANY" 1
        slope "$before" "$(rss)" $((MANY - FEW)) >>"$WORK/$server.connection"
        stop_load
        stop_server

        start_server taskset -c "$SERVER_CORE" -- "$server"
        start_load
        load hold "$WIDE" 1
        before=$(rss)
        load hold "$WIDE" "$WATCHES"
        slope "$before" "$(rss)" $((WIDE * (WATCHES - 1))) >>"$WORK/$server.watch"
        stop_load
        stop_server
    done
done

printf '| RSS, kB | per idle connection with one Watch | per further idle Watch |\n|---|---|---|\n'
for server in "${SERVERS[@]}"; do
    printf '| %s | %.1f | %.2f |\n' "$server" \
        "$(median <"$WORK/$server.connection")" "$(median <"$WORK/$server.watch")"
done
printf '\nSlopes %s→%s connections and 1→%s Watches on each of %s; kB = 1,000 bytes; median of %s. ' \
    "$FEW" "$MANY" "$WATCHES" "$WIDE" "$ROUNDS"
machine
