#!/usr/bin/env bash
# The documentation as docs.rs builds it: all features, `--cfg docsrs`, no warnings; and the badges that name features are in it.
# The badges are unstable and docs.rs has a nightly toolchain. Here the stable rustdoc is told to accept them, and rustdoc alone:
# dependencies are shared with the ordinary target directory.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target/docs-rs"
printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n' >"$target/docs-rs/rustdoc"
chmod +x "$target/docs-rs/rustdoc"

# Only what rustdoc writes now counts.
rm -rf "$target/doc/grpc_health"
RUSTDOC=$target/docs-rs/rustdoc RUSTDOCFLAGS="--cfg docsrs -D warnings" \
    cargo doc --locked --no-deps --lib --all-features --package grpc-health

for feature in client reflection tls tower; do
    if ! grep -q "Available on <strong>crate feature <code>$feature</code></strong> only" "$target/doc/grpc_health/$feature/index.html"; then
        echo "docs-rs: the module $feature does not say that it needs feature $feature" >&2
        exit 1
    fi
done
echo "docs-rs: built without warnings, with the badges of features"
