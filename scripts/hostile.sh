#!/bin/sh
# The hostile suite with the counts of the real thing: a million frames of each flood, a thousand connections that never begin.
# Half a minute in a debug build; `cargo test` runs the same tests with smaller counts.
#
#   scripts/hostile.sh [TEST...]      names of tests, or parts of them; all by default
set -eu
cd "$(dirname "$0")/.."
GRPC_HEALTH_HOSTILE=full exec cargo test --locked --features cli --test hostile -- "$@"
