#!/bin/sh
# Builds every fuzz target and runs each for a few seconds on a copy of its corpus.
#
#   scripts/fuzz-smoke.sh [SECONDS]      10 by default, for each target
#
# Exits 1 on a finding; its input is kept in fuzz/artifacts/TARGET/. Exits 0 and says so where
# there is no nightly toolchain.
set -eu

seconds=${1:-10}
cd "$(dirname "$0")/.."

skip() {
    echo "fuzz smoke: SKIPPED: $1"
    exit 0
}

cargo +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain"
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "fuzz smoke: installing cargo-fuzz"
    cargo +nightly install cargo-fuzz --locked
fi

cargo +nightly fuzz build

corpora=$(mktemp -d)
trap 'rm -rf "$corpora"' EXIT
cp -R fuzz/corpus/. "$corpora"

found=
for target in $(cargo +nightly fuzz list); do
    echo "fuzz smoke: $target, $seconds s"
    if ! cargo +nightly fuzz run "$target" "$corpora/$target" -- \
        -max_total_time="$seconds" -timeout=10 -print_final_stats=1 >"$corpora/log" 2>&1; then
        cat "$corpora/log"
        found="$found $target"
        continue
    fi
    sed -n 's/^stat::number_of_executed_units: */fuzz smoke:   executions: /p' "$corpora/log"
done

if [ -n "$found" ]; then
    echo "fuzz smoke: FOUND something in:$found"
    exit 1
fi
echo "fuzz smoke: nothing found"
