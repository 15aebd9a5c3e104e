#!/usr/bin/env bash
# Instructions per Check of a server that has the health service and nothing else, counted by callgrind, at one commit after the other:
# what each of them has added. Each is built in a package without the crates that tests and peers need, with the
# versions of today's Cargo.lock.
#
# With RECORDER=1 the server has feature `metrics` and a recorder of metrics-exporter-prometheus, whose clock takes millions of instructions
# to calibrate, sometimes more and sometimes fewer: ten times as many Checks are counted.
#
# usage: [RECORDER=1] scripts/bench-commits.sh COMMIT...
set -euo pipefail
# shellcheck source=scripts/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
need h2load nghttp2-client
need valgrind valgrind
[ $# -gt 0 ] || {
    say "usage: $0 COMMIT..."
    exit 1
}

target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target
OUT=$target/bench-commits
old=$OUT/sources
git worktree remove --force "$old" 2>/dev/null || true
rm -rf "$OUT"
mkdir -p "$OUT"
trap 'stop_all; rm -rf "$WORK"; git worktree remove --force "$old" 2>/dev/null || true; rm -rf "$OUT"; git worktree prune' EXIT

[ -z "${RECORDER:-}" ] || LONGER=10

dependencies() {
    printf 'tokio = { version = "1", features = ["net", "rt"] }\n'
    if [ -z "${RECORDER:-}" ]; then
        printf 'grpc-health = { path = "%s" }\n' "$old"
        return
    fi
    printf 'grpc-health = { path = "%s", features = ["metrics"] }\nmetrics = "0.24"\n' "$old"
    printf 'metrics-exporter-prometheus = { version = "0.17", default-features = false }\n'
    printf '[features]\ndefault = ["metrics"]\nmetrics = []\n'
}

printf '| instructions per Check, h2load -c 4 | m=1 | m=100 |\n|---|---|---|\n'
for commit; do
    git worktree add --quiet --detach "$old" "$commit"
    alone_with "$OUT/program" benches/support/check.rs "$(dependencies)" 2>"$OUT/log" || { cat "$OUT/log" >&2; exit 1; }
    SERVER=$target/release/counted
    row="| $(git log -1 --format='%h %s' "$commit") |"
    for in_flight in 1 100; do
        row+=" $(per_check "$in_flight" "$OUT") |"
    done
    echo "$row"
    git worktree remove --force "$old"
done
printf '\n%s; %s.\n' "$(valgrind --version)" "$(rustc --version | cut -d' ' -f1,2)"
