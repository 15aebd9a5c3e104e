#!/usr/bin/env bash
# What a thread of its own gives a health server, in two experiments; benches/support/isolation.rs is the program. `thread` is this crate's
# server on a thread of its own, `shared` the same server in the application's runtime, and `tonic` is tonic-health there.
#
# 1. Every worker of the application's runtime is blocked, asleep and then busy: how long Checks wait, and how many are not answered.
# 2. 10,000 Checks a second: how late a timer of the application is, beside the timer alone. The application has one core and the clients
#    the other, as the thread has; `thread, same core` has to share the application's.
#
# On a machine that others use, REALTIME=1 (as root) gives the programs and their clients a real-time priority, except while workers are
# busy: two such workers would leave no time to anybody. BLOCKED=asleep leaves those rows out.
#
# usage: [ROUNDS=5] [SECONDS_EACH=5] [REALTIME=1] [BLOCKED='asleep busy'] scripts/bench-isolation.sh
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need taskset util-linux

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-5}
read -ra BLOCKED <<<"${BLOCKED:-asleep busy}"
PRIORITY=()
[ -z "${REALTIME:-}" ] || PRIORITY=(chrt -f 20)
PROGRAM=target/release/examples/bench_isolation
[ -n "${BENCH_SKIP_BUILD:-}" ] ||
    cargo build --quiet --locked --release --features affinity --example bench_isolation

for _ in $(seq "$ROUNDS"); do
    for place in thread shared tonic; do
        for how in "${BLOCKED[@]}"; do
            priority=("${PRIORITY[@]}")
            [ "$how" = asleep ] || priority=()
            "${priority[@]}" "$PROGRAM" blocked "$place" "$SECONDS_EACH" "$how" >>"$WORK/blocked.$place.$how"
        done
    done
    for place in "thread:$LOAD_CORE" "thread:$SERVER_CORE" shared tonic; do
        "${PRIORITY[@]}" taskset -c "$SERVER_CORE" "$PROGRAM" timer "$place" "$SECONDS_EACH" "$LOAD_CORE" \
            >>"$WORK/timer.$place"
    done
    cut -d' ' -f1-3 /proc/loadavg >>"$WORK/load"
done

column() { awk -v n="$2" '{ print $n }' "$1" | median; } # column FILE NUMBER
more() { awk -v a="$2" -v b="$3" '{ print $a - $b }' "$1" | median; }
times() { awk -v a="$2" -v b="$3" '{ print $a / $b }' "$1" | median | xargs printf '%.1f'; }

echo "| Checks, µs | idle, median | idle, p99.9 | blocked, median | blocked, p99.9 | p99.9, blocked / idle | not answered in 1 s |"
echo "|---|---|---|---|---|---|---|"
for how in "${BLOCKED[@]}"; do
    for place in thread shared tonic; do
        file=$WORK/blocked.$place.$how
        lost=$(awk '{ lost += $5; all += $6 } END { printf "%.0f %%", 100 * lost / all }' "$file")
        if [ "$(column "$file" 3)" = 0 ]; then
            answered='– | – | –'
        else
            answered="$(column "$file" 3) | $(column "$file" 4) | $(times "$file" 4 2)"
        fi
        echo "| $place, workers $how | $(column "$file" 1) | $(column "$file" 2) | $answered | $lost |"
    done
done

printf '\n%s\n%s\n' "| the timer's lateness, µs | alone, median | alone, p99.9 | beside Checks, median | beside Checks, p99.9 | p99.9, more | Checks per second |" \
    "|---|---|---|---|---|---|---|"
for place in "thread:$LOAD_CORE" "thread:$SERVER_CORE" shared tonic; do
    file=$WORK/timer.$place
    name=${place/%:$LOAD_CORE/}
    echo "| ${name/%:$SERVER_CORE/, same core} | $(column "$file" 1) | $(column "$file" 2) | $(column "$file" 3) | $(column "$file" 4) | $(more "$file" 4 2) | $(column "$file" 5) |"
done
printf '\nMedians of %s interleaved rounds of %s s. Load averages after the rounds, 1, 5 and 15 minutes: %s. ' \
    "$ROUNDS" "$SECONDS_EACH" "$(paste -sd';' "$WORK/load" | sed 's/;/; /g')"
machine
