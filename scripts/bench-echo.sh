#!/usr/bin/env bash
# CPU per echoed message of the server process, in microseconds, and messages per second: our router, the same with windows as wide as
# tonic's, and tonic.
#
# The server has one core and the load the other. Unary calls come from h2load, 4 connections with 1, 10 and 100 in flight on each;
# streams from benches/support/load.rs, 1, 10 and 100 on one connection, sent as fast as the windows allow. A ratio is the median of the
# rounds' ratios.
#
# usage: scripts/bench-echo.sh [ROUNDS (7)] [BYTES... (16 65536)]
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need h2load nghttp2-client
need taskset util-linux

build
with_cubic "$@"

ROUNDS=${1:-7}
shift $(($# > 0))
SIZES=("$@")
[ $# -gt 0 ] || SIZES=(16 65536)
# How many messages in all, by kind, size and number in flight.
count() {
    local small=$((20000 + 400 * $2))
    [ "$1" -le 1024 ] && echo "$small" || echo $((small / 4))
}

# An envelope of so many bytes of `bench.Payload`, in a file.
payload() {
    python3 - "$1" "$WORK/$1.bin" <<'PY'
import struct, sys

size = int(sys.argv[1])

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])

body = size - 2
while 1 + len(varint(body)) + body > size:
    body -= 1
message = b"\n" + varint(body) + b"\7" * body
open(sys.argv[2], "wb").write(b"\0" + struct.pack(">I", len(message)) + message)
PY
}

# record SERVER KIND.BYTES.IN_FLIGHT MESSAGES CPU-BEFORE CPU-AFTER NANOSECONDS
record() {
    awk -v a="$5" -v b="$4" -v n="$3" 'BEGIN { printf "%.3f\n", (a - b) / n / 1000 }' >>"$WORK/cpu.$1.$2"
    awk -v t="$6" -v n="$3" 'BEGIN { printf "%.0f\n", n / t * 1e9 }' >>"$WORK/rate.$1.$2"
}

for bytes in "${SIZES[@]}"; do payload "$bytes"; done
for round in $(seq "$ROUNDS"); do
    for server in router wide tonic; do
        for bytes in "${SIZES[@]}"; do
            start_server taskset -c "$SERVER_CORE" -- "$server"
            start_load
            h2load_posts 2000 10 "$WORK/$bytes.bin" /bench.Echo/Unary # warm-up
            for in_flight in 1 10 100; do
                n=$(count "$bytes" "$in_flight")
                before=$(server_cpu) began=$(date +%s%N)
                h2load_posts "$n" "$in_flight" "$WORK/$bytes.bin" /bench.Echo/Unary
                ended=$(date +%s%N)
                record "$server" "unary.$bytes.$in_flight" "$n" "$before" "$(server_cpu)" $((ended - began))
                before=$(server_cpu)
                load bidi "$in_flight" "$bytes" $((n / in_flight))
                record "$server" "bidi.$bytes.$in_flight" "$n" "$before" "$(server_cpu)" "$LOAD_ANSWER"
            done
            stop_load
            stop_server
        done
    done
    say "round $round of $ROUNDS"
done

for what in cpu rate; do
    [ $what = cpu ] && title='CPU µs per message' || title='messages per second'
    printf '| %s | 1 | 10 | 100 |\n|---|---|---|---|\n' "$title"
    for kind in unary bidi; do
        for bytes in "${SIZES[@]}"; do
            for server in router wide tonic; do
                row="| $kind, $bytes B, $server |"
                for in_flight in 1 10 100; do row+=" $(median <"$WORK/$what.$server.$kind.$bytes.$in_flight") |"; done
                echo "$row"
            done
            for server in router wide; do
                row="| $kind, $bytes B, $server / tonic |"
                for in_flight in 1 10 100; do
                    f=$kind.$bytes.$in_flight
                    row+=$(printf ' **%.2f** |' "$(ratios "$WORK/$what.$server.$f" "$WORK/$what.tonic.$f" | median)")
                done
                echo "$row"
            done
        done
    done
    echo
done
printf 'Median of %s interleaved rounds. ' "$ROUNDS"
machine
