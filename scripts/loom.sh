#!/bin/sh
# Explores the registry's races with loom: every interleaving with a bounded number of preemptions.
#   scripts/loom.sh [MODEL]        LOOM_MAX_PREEMPTIONS=3 scripts/loom.sh
#   scripts/loom.sh '' --no-run    only compiles
set -eu
cd "$(dirname "$0")/.."
export GRPC_HEALTH_TEST_SECONDS="${GRPC_HEALTH_TEST_SECONDS:-3600}"
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-2}"
export RUSTFLAGS="${RUSTFLAGS:-} --cfg grpc_health_loom"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
export CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_TEST_DEBUG=false
model=${1:-}
[ $# -eq 0 ] || shift
exec cargo test --lib "registry::models::$model" "$@"
