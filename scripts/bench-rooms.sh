#!/usr/bin/env bash
# Where the instructions of small messages go: a unary echo with one in flight on each of 4 connections, and one stream of echoes, 16 bytes
# each, behind a router. Instructions by callgrind, which does not see the kernel; and the kernel's part of the server's CPU time.
#
# usage: scripts/bench-rooms.sh
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need h2load nghttp2-client
need valgrind valgrind

OUT=target/callgrind
mkdir -p "$OUT"
# An envelope of a `bench.Payload` of 16 bytes.
printf '\0\0\0\0\20\n\16xxxxxxxxxxxxxx' >"$WORK/echo.bin"
build

run() { # run KIND MESSAGES
    if [ "$1" = unary ]; then
        h2load_posts "$2" 1 "$WORK/echo.bin" /bench.Echo/Unary
    else
        start_load
        load bidi 1 16 "$2"
        stop_load
    fi
}

profile() { # profile KIND MESSAGES
    start_server taskset -c "$SERVER_CORE" valgrind --tool=callgrind --callgrind-out-file="$OUT/$1.n$2" -- router
    run "$1" "$2"
    stop_server
}

ticks() { sed 's/.*) //' "/proc/$SERVER_PID/stat" | awk '{ print $12, $13 }'; }

for kind in unary stream; do
    few=1000 many=5000 long=50000
    [ $kind = unary ] || { few=5000 many=25000 long=300000; }
    profile $kind $few
    profile $kind $many
    printf '| %s, 16 B | instructions | of all |\n|---|---|---|\n' $kind
    scripts/rooms.py "$OUT/$kind.n$few" "$OUT/$kind.n$many" $((many - few))
    start_server taskset -c "$SERVER_CORE" -- router
    read -r user kernel < <(ticks)
    run $kind $long
    read -r user_after kernel_after < <(ticks)
    stop_server
    awk -v u="$user" -v k="$kernel" -v v="$user_after" -v l="$kernel_after" \
        'BEGIN { printf "Of the CPU time of the server the kernel took %.0f %%.\n\n", 100 * (l - k) / (l - k + v - u) }'
done
valgrind --version
machine
