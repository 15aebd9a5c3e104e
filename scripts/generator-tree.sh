#!/usr/bin/env bash
# A build script that uses grpc-health-build compiles neither the server nor its runtime: none of them is in its dependency tree.
set -euo pipefail
cd "$(dirname "$0")/.."

tree=$(cargo tree --locked --quiet --package grpc-health-build --edges normal,build --prefix none)
grep -q '^prost-build ' <<<"$tree"
for crate in h2 tokio hyper tonic grpc-health; do
    if grep -q "^$crate v" <<<"$tree"; then
        echo "grpc-health-build depends on $crate" >&2
        exit 1
    fi
done
echo "the generator's tree: $(sed 's/ .*//' <<<"$tree" | sort -u | wc -l) crates"
