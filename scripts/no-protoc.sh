#!/usr/bin/env bash
# The crate builds and regenerates where there is no protoc, and an edited .proto is not forgotten.
# A copy of the sources is checked with a PATH that holds a compiler and a linker and nothing else;
# dependencies are shared with the ordinary target directory.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
# The same place each time, or the target directory would keep what is built of every copy.
work=$target/no-protoc
rm -rf "$work"
mkdir -p "$work/bin" "$work/crate"
trap 'rm -rf "$work"' EXIT
git ls-files -z --cached --others --exclude-standard |
    tar --create --null --files-from=- --ignore-failed-read 2>/dev/null | tar --extract --touch -C "$work/crate"

toolchain=$(rustc --print sysroot)/bin
for tool in "$toolchain/cargo" "$toolchain/rustc" "$(command -v cc)" "$(command -v ld)" "$(command -v as)"; do
    ln -s "$tool" "$work/bin/"
done
if PATH="$work/bin" command -v protoc; then
    echo "no-protoc: the trimmed PATH still has a protoc" >&2
    exit 1
fi

cd "$work/crate"
trimmed() {
    env -u PROTOC_INCLUDE PATH="$work/bin" PROTOC=/nonexistent/protoc CARGO_TARGET_DIR="$target" "$@"
}
check() { trimmed "$work/bin/cargo" check --locked --quiet --lib --features reflection; }

check
cat >>proto/grpc/health/v1/health.proto <<'PROTO'

// Added by scripts/no-protoc.sh.
message Regenerated {
  bool seen = 1;
}
PROTO
if refused=$(check 2>&1); then
    echo "no-protoc: a .proto was edited, and the crate builds with what was generated before" >&2
    exit 1
fi
command=$(sed -n 's/.* was not generated from .* Run: //p' <<<"$refused")
if [ "$command" != "bash scripts/regenerate.sh" ]; then
    printf '%s\nno-protoc: a .proto was edited, and the build does not say what to run\n' "$refused" >&2
    exit 1
fi

# What the script runs besides cargo; still no protoc.
for tool in bash dirname; do ln -s "$(command -v "$tool")" "$work/bin/"; done
trimmed $command
grep -q 'struct Regenerated' src/proto/grpc.health.v1.rs
grep -q 'Regenerated' src/proto/descriptors.bin
check
echo "no-protoc: built without protoc; refused an edited .proto until it was regenerated"
