#!/usr/bin/env bash
# Instructions of each operation of the registry, counted by callgrind: of these sources, and of the sources of an earlier commit.
# Unlike times, the counts do not depend on what else the machine does. Only those that hash names vary, with the key of the hash.
#
# usage: scripts/bench-registry.sh [COMMIT (6f5bf45, the last one before the health plane)]
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need valgrind valgrind

before=${1:-6f5bf45}
target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target
work=$target/bench-registry
old=$work/sources
profile=$work/callgrind.out
git worktree remove --force "$old" 2>/dev/null || true
rm -rf "$work"
mkdir -p "$work"
trap 'git worktree remove --force "$old"; rm -rf "$work" "$WORK"' EXIT
git worktree add --quiet --detach "$old" "$before"

# compile SOURCES PROGRAM NAME: PROGRAM with the crate in SOURCES is kept as NAME.
compile() {
    alone_with "$work/program" "benches/support/$2.rs" "grpc-health = { path = \"$1\" }"
    cp "$target/release/counted" "$work/$3"
}
compile "$old" registry before
compile "$PWD" registry now
compile "$PWD" plane plane

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
    now=$(count now "$operation")
    printf '| %s | %s | %s | %s |\n' "$operation" "$was" "$now" "$(awk -v a="$now" -v b="$was" 'BEGIN { printf "%.2f", a / b }')"
done
for operation in beat "get, group" "set changed, member of a group of 16" "set changed, the same with history" \
    "set changed, with a static reason" report "set changed, somebody follows all services"; do
    printf '| %s | – | %s | – |\n' "$operation" "$(count plane "$operation")"
done
printf '\n%s; %s; commit %s.\n' "$(valgrind --version)" "$(rustc --version | cut -d' ' -f1,2)" "$(git rev-parse --short HEAD)"
