#!/usr/bin/env bash
# Crates in an embedder's default tree, build scripts and their dependencies aside: ours, beside
# the five packages that it must have and beside tonic-health. Fails above the limit.
set -euo pipefail
cd "$(dirname "$0")/.."

LIMIT=40
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The packages of the tree of the crate in directory $1, itself aside. Proc-macros count, as
# `normal` dependencies do.
count() { cargo tree --quiet --manifest-path "$1/Cargo.toml" -e normal --prefix none --no-dedupe |
    sed 's/ (.*//' | tail -n +2 | grep . | sort -u | wc -l; }

# embedder NAME DEPENDENCY...: counts the tree of a crate with these dependencies, at the versions
# of our Cargo.lock.
embedder() {
    local dir=$scratch/$1
    shift
    mkdir -p "$dir/src"
    touch "$dir/src/lib.rs"
    cp Cargo.lock "$dir/"
    printf '[package]\nname = "embedder"\nedition = "2024"\n[workspace]\n[dependencies]\n' >"$dir/Cargo.toml"
    printf '%s\n' "$@" >>"$dir/Cargo.toml"
    count "$dir"
}

ours=$(embedder ours "grpc-health = { path = \"$PWD\" }")
bare=$(embedder bare 'h2 = "0.4"' 'http = "1"' 'bytes = "1"' \
    'prost = { version = "0.14", default-features = false, features = ["derive"] }' \
    'tokio = { version = "1", default-features = false, features = ["net", "rt", "time"] }')
tonic=$(embedder tonic 'tonic = "0.14"' 'tonic-health = "0.14"' \
    'tokio = { version = "1", features = ["net", "rt", "time"] }')

printf '| crates in the tree | |\n|---|---|\n'
printf '| grpc-health | %s |\n| h2, http, bytes, prost and tokio alone | %s |\n' "$ours" "$bare"
printf '| tonic-health, with the tonic that serves it | %s |\n' "$tonic"
if [ "$ours" -gt "$LIMIT" ]; then
    echo "$0: $ours crates, more than $LIMIT" >&2
    exit 1
fi
