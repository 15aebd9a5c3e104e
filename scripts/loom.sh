#!/bin/sh
# Explores the registry's races with loom: every interleaving with a bounded number of preemptions.
#   scripts/loom.sh [MODEL]        LOOM_MAX_PREEMPTIONS=3 scripts/loom.sh
#   scripts/loom.sh '' --no-run    only compiles
set -eu
cd "$(dirname "$0")/.."
export GRPC_HEALTH_TEST_SECONDS="${GRPC_HEALTH_TEST_SECONDS:-3600}"
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-2}"
export RUSTFLAGS="${RUSTFLAGS:-} --cfg grpc_health_loom"
target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR="$target/loom"
export CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_TEST_DEBUG=false

# The library alone, with the dependencies of its own tests: for the rest everything would be compiled again with this cfg.
crate=$target/loom-crate
mkdir -p "$crate"
awk '/^\[/ { table = $0 }
    table ~ /^\[\[/ || /^members = / || /^default-run = / { next }
    table == "[dev-dependencies]" && /^[a-z]/ && !/^(proptest|tokio) = / { next }
    { print }' Cargo.toml >"$crate/Cargo.toml"
cp Cargo.lock "$crate/"
# As in a published package, whose generated files are not compared with the .proto files.
cp Cargo.toml "$crate/Cargo.toml.orig"
for part in README.md build.rs src; do ln -sfn "$PWD/$part" "$crate/$part"; done
cd "$crate"
model=${1:-}
[ $# -eq 0 ] || shift
exec cargo test --lib "registry::models::$model" "$@"
