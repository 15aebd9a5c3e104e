#!/usr/bin/env bash
# Generates src/proto/ and examples/support/grpc.testing.rs from proto/, with prost-build and protox, in Rust alone.
#
#   bash scripts/regenerate.sh           writes them
#   bash scripts/regenerate.sh --check   fails if they differ from what is checked in, and writes nothing
set -euo pipefail
cd "$(dirname "$0")/.."

into=$PWD
if [ "${1-}" = --check ]; then
    into=$(mktemp -d)
    trap 'rm -rf "$into"' EXIT
elif [ $# -ne 0 ]; then
    sed -n '2,5p' "$0" >&2
    exit 2
fi

GRPC_HEALTH_REGENERATE=$into cargo check --locked --quiet --lib --features regenerate

if [ "$into" != "$PWD" ]; then
    [ -s "$into/src/proto/descriptors.bin" ]
    (cd "$into" && find . -type f) | while IFS= read -r file; do
        if ! diff -u "$file" "$into/$file"; then
            echo "$file is not what proto/ gives. Run: bash scripts/regenerate.sh" >&2
            exit 1
        fi
    done
    echo "regenerate: the generated files are those of proto/"
fi
