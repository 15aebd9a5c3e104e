#!/usr/bin/env bash
# The crate builds where there is no protoc, and an edited .proto is all it takes to regenerate.
# A copy of the sources is checked twice with a PATH that holds a compiler and a linker and nothing
# else; dependencies are shared with the ordinary target directory.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/crate"
git ls-files -z --cached --others --exclude-standard |
    tar --create --null --files-from=- --ignore-failed-read 2>/dev/null | tar --extract -C "$work/crate"

toolchain=$(rustc --print sysroot)/bin
for tool in "$toolchain/cargo" "$toolchain/rustc" "$(command -v cc)" "$(command -v ld)" "$(command -v as)"; do
    ln -s "$tool" "$work/bin/"
done

# Prints the directory the build script wrote to.
check() {
    cd "$work/crate"
    env -u PROTOC_INCLUDE PATH="$work/bin" PROTOC=/nonexistent/protoc CARGO_TARGET_DIR="$target" \
        "$work/bin/cargo" check --locked --lib --message-format json-render-diagnostics
}
out_dir() {
    python3 -c '
import json, sys

dirs = [m["out_dir"] for m in map(json.loads, sys.stdin)
        if m.get("reason") == "build-script-executed" and "/grpc-health-" in m["out_dir"]]
print(dirs[-1])'
}

if PATH="$work/bin" command -v protoc; then
    echo "no-protoc: the trimmed PATH still has a protoc" >&2
    exit 1
fi

generated=$(check | out_dir)/grpc.health.v1.rs
grep -q 'struct HealthListResponse' "$generated"

cat >>"$work/crate/proto/grpc/health/v1/health.proto" <<'PROTO'

// Added by scripts/no-protoc.sh.
message RegeneratedByBuild {
  bool seen = 1;
}
PROTO
generated=$(check | out_dir)/grpc.health.v1.rs
grep -q 'struct RegeneratedByBuild' "$generated"

# The copy has a place of its own in the target directory; leave none of it there.
rm -rf "$(dirname "$(dirname "$generated")")"
echo "no-protoc: built without protoc, and regenerated after an edit of the .proto"
