#!/usr/bin/env bash
# Instructions of each operation of the registry, counted by callgrind: of these sources, and of the sources of an earlier commit.
# Unlike times, the counts do not depend on what else the machine does, and repeat to the instruction.
#
# usage: scripts/bench-registry.sh [COMMIT (6f5bf45, the last one before the health plane)]
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || {
    echo "$0: valgrind is not installed (Debian: apt-get install valgrind)" >&2
    exit 1
}

before=${1:-6f5bf45}
target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target
work=$target/bench-registry
old=$work/sources
profile=$work/callgrind.out
git worktree remove --force "$old" 2>/dev/null || true
rm -rf "$work"
mkdir -p "$work"
trap 'git worktree remove --force "$old"; rm -rf "$work"' EXIT

git worktree add --quiet --detach "$old" "$before"
mkdir "$old/examples/bench_registry"
cp benches/support/registry.rs "$old/examples/bench_registry/main.rs"
cp benches/support/counted.rs "$old/examples/bench_registry/"
(cd "$old" && cargo build --locked --quiet --release --example bench_registry)
cp "$target/release/examples/bench_registry" "$work/before"
cargo build --locked --quiet --release --example bench_registry --example bench_plane
cp "$target/release/examples/bench_registry" "$target/release/examples/bench_plane" "$work"

TIMES=1000

total() { # total PROGRAM OPERATION: the instructions of all its repetitions
    valgrind --tool=callgrind --toggle-collect='*counted_loop*' --callgrind-out-file="$profile" \
        "$work/$1" "$2" "$TIMES" 2>"$work/log" || {
        cat "$work/log" >&2
        exit 1
    }
    sed -n 's/^\(summary\|totals\): //p' "$profile" | head -1
}

count() { # count PROGRAM OPERATION: the instructions of one
    local all nothing
    nothing=$(total "$1" nothing)
    all=$(total "$1" "$2")
    awk -v all="$all" -v nothing="$nothing" -v times="$TIMES" 'BEGIN { printf "%.1f", (all - nothing) / times }'
}

printf '| instructions | %s | now | now / %s |\n|---|---|---|---|\n' "$before" "$before"
for operation in "get by handle" "get by name" "set unchanged, by handle" "set changed, by handle" "set changed, by name" \
    "set changed, until its watcher has read it" "register a name"; do
    was=$(count before "$operation")
    now=$(count bench_registry "$operation")
    printf '| %s | %s | %s | %s |\n' "$operation" "$was" "$now" "$(awk -v a="$now" -v b="$was" 'BEGIN { printf "%.2f", a / b }')"
done
for operation in beat "get, group" "set changed, member of a group of 16" "set changed, the same with history" \
    "set changed, with a static reason" report "set changed, somebody follows all services"; do
    printf '| %s | – | %s | – |\n' "$operation" "$(count bench_plane "$operation")"
done
printf '\n%s; %s; commit %s.\n' "$(valgrind --version)" "$(rustc --version | cut -d' ' -f1,2)" "$(git rev-parse --short HEAD)"
