#!/bin/sh
# The hostile suite with the counts of the real thing: a million frames of each flood, a million changes, a thousand connections that
# never begin. A minute or two in a debug build; `cargo test` runs the same tests with smaller counts.
#
#   scripts/hostile.sh [TEST...]      names of tests, or parts of them; all by default
#   scripts/hostile.sh restarts       instead: 20 rolling restarts under 5,000 calls a second, optimised, and a log of them
set -eu
cd "$(dirname "$0")/.."
export GRPC_HEALTH_HOSTILE=full GRPC_HEALTH_TEST_SECONDS=3600
[ "${1:-}" != restarts ] || exec cargo test --locked --release --test rolling_restart -- --nocapture
exec cargo test --locked --features cli --test hostile -- "$@"
