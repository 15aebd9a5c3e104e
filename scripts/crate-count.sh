#!/usr/bin/env bash
# Crates that README's first example compiles, build scripts' dependencies and proc-macros included: beside the five packages that
# it must have, and beside the same program on tonic-health. Fails above the limit.
set -euo pipefail
cd "$(dirname "$0")/.."

LIMIT=36
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The packages of the tree of the crate in directory $1, itself aside.
count() { cargo tree --quiet --manifest-path "$1/Cargo.toml" -e normal,build --prefix none --no-dedupe |
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

# The lines below `[dependencies]` in README's first block of TOML.
readme=$(awk '/^```toml/ { inside = 1; next } /^```/ && inside { exit } inside' README.md | sed '1d')
[[ $readme == *'path = "../grpc-health"'* ]]

tokio='tokio = { version = "1", features = ["macros", "rt"] }'
ours=$(embedder ours "${readme/..\/grpc-health/$PWD}")
bare=$(embedder bare 'h2 = "0.4"' 'http = "1"' 'bytes = "1"' 'prost = { version = "0.14", default-features = false, features = ["derive"] }' \
    'tokio = { version = "1", features = ["macros", "net", "rt", "time"] }')
tonic=$(embedder tonic 'tonic = "0.14"' 'tonic-health = "0.14"' "$tokio")

printf '| crates in the tree | |\n|---|---|\n'
printf '| grpc-health | %s |\n| h2, http, bytes, prost and tokio alone | %s |\n' "$ours" "$bare"
printf '| tonic-health, with the tonic that serves it | %s |\n' "$tonic"
if [ "$ours" -gt "$LIMIT" ]; then
    echo "$0: $ours crates, more than $LIMIT" >&2
    exit 1
fi
