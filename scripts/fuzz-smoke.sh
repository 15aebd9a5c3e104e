#!/usr/bin/env bash
# Builds every fuzz target and runs each for a few seconds on a copy of its corpus, as many at once as the machine has cores.
#
#   scripts/fuzz-smoke.sh [SECONDS]      10 by default, for each target
#   scripts/fuzz-smoke.sh build          only builds
#
# Exits 1 on a finding; its input is kept in fuzz/artifacts/TARGET/. Exits 0 and says so where
# there is no nightly toolchain.
set -euo pipefail

seconds=${1:-10}
cd "$(dirname "$0")/.."

skip() {
    echo "fuzz smoke: SKIPPED: $1"
    exit 0
}

cargo +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain"
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "fuzz smoke: installing cargo-fuzz"
    # It only starts cargo: optimising it takes longer than all it does.
    cargo +nightly install cargo-fuzz --locked --debug
fi

cargo +nightly fuzz build
[ "$seconds" != build ] || exit 0

# Where cargo put the binaries: `cargo fuzz run` would ask cargo anew for each target.
built=$(cargo +nightly metadata --manifest-path fuzz/Cargo.toml --no-deps --format-version 1 |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

corpora=$(mktemp -d)
trap 'rm -rf "$corpora"' EXIT
cp -R fuzz/corpus/. "$corpora"

smoke() { # smoke TARGET: whatever it finds, it prints, and notes in a file.
    local log=$corpora/$1.log began=$SECONDS
    mkdir -p "fuzz/artifacts/$1" "$corpora/$1"
    # The corpus, the prefix and the option of the address sanitizer are those of `cargo fuzz run`.
    if ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_odr_violation=0" \
        "$built/$host/release/$1" -artifact_prefix="$PWD/fuzz/artifacts/$1/" "$corpora/$1" \
        -max_total_time="$seconds" -timeout=10 -print_final_stats=1 >"$log" 2>&1; then
        sed -n "s/^stat::number_of_executed_units: */fuzz smoke: $1, $((SECONDS - began)) s, executions: /p" "$log"
    else
        cat "$log"
        echo "fuzz smoke: that input again: cargo +nightly fuzz run $1 fuzz/artifacts/$1/NAME"
        touch "$corpora/$1.found"
    fi
}

targets=$(cargo +nightly fuzz list)
for target in $targets; do
    # One core each: then each target has its seconds to itself.
    while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do wait -n; done
    smoke "$target" &
done
wait

found=
for target in $targets; do
    [ ! -e "$corpora/$target.found" ] || found="$found $target"
done
if [ -n "$found" ]; then
    echo "fuzz smoke: FOUND something in:$found"
    exit 1
fi
echo "fuzz smoke: nothing found"
