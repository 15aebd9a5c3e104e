#!/usr/bin/env bash
# README's "Typed services from .proto files", as it is written: its Cargo.toml, build script and program become a crate beside this
# one, which must compile; and its build script must not depend on the server or its runtime.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
# The same place each time, or the target directory would keep what is built of every copy.
work=$target/readme-generator
rm -rf "$work"
mkdir -p "$work/shop/src" "$work/shop/proto/greet/v1"
trap 'rm -rf "$work"' EXIT
ln -s "$PWD" "$work/grpc-health"

# The block in $1 with number $2 of that section, without the lines that rustdoc hides.
block() {
    awk -v open="^\`\`\`$1" -v wanted="$2" '
        /^## / { section = $0 == "## Typed services from .proto files" }
        section && $0 ~ open { inside = ++count == wanted; next }
        /^```/ { inside = 0 }
        inside && !/^# / { print }' README.md
}
{
    printf '[package]\nname = "shop"\nedition = "2024"\n[workspace]\n'
    block toml 1
} >"$work/shop/Cargo.toml"
block rust 1 >"$work/shop/build.rs"
# Statements, as rustdoc has them.
{
    echo 'fn main() {'
    block rust 2
    echo 'drop(router); }'
} >"$work/shop/src/main.rs"
cp examples/greeter/greeter.proto "$work/shop/proto/greet/v1/"
cp Cargo.lock "$work/shop/"

cd "$work/shop"
CARGO_TARGET_DIR=$target cargo check --quiet
tree=$(cargo tree --quiet --package grpc-health-build --edges normal,build --prefix none)
grep -q '^prost-build ' <<<"$tree"
if grep -E '^(grpc-health|h2|tokio) ' <<<"$tree"; then
    echo "readme-generator: the build script depends on what is above" >&2
    exit 1
fi
echo "readme-generator: compiled; $(awk 'NF { print $1, $2 }' <<<"$tree" | sort -u | wc -l) crates for the build script, without h2 and tokio"
