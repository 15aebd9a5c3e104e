#!/usr/bin/env bash
# What `cargo publish` would upload compiles, and so do its tests, benchmarks and examples: each package of the workspace is packaged and
# unpacked outside it. Nothing is linked: `tests` links the same sources, and only a file can be missing here. The artefacts of
# dependencies are those of `lint`. Arguments go to `cargo package`: `--allow-dirty` packages what is not committed yet.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target
work=$(mktemp -d)

# Every path has artefacts of its own, and this one never comes again: leave none of them in the target directory.
clean() {
    cat "$work"/*.json 2>/dev/null | WORK=$work python3 -c '
import json, os, sys

for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and os.environ["WORK"] in message["package_id"]:
        for file in message["filenames"] + [message["executable"] or ""]:
            if os.path.isfile(file):
                os.remove(file)'
    rm -rf "$work"
}
trap clean EXIT

packages=$(cargo metadata --format-version 1 --no-deps --locked | python3 -c '
import json, sys

for package in json.load(sys.stdin)["packages"]:
    print(package["name"], package["version"])')

while read -r name version; do
    # The package is compiled below, with its tests: `--no-verify` saves cargo from compiling it as well.
    cargo package --locked --no-verify --quiet --package "$name" "$@"
    # With the time of now: cargo gives every file one time in the past, and would take what it compiled before for fresh.
    tar --extract --touch --gzip --file "$target/package/$name-$version.crate" --directory "$work"
    (
        cd "$work/$name-$version"
        json=(--message-format json-render-diagnostics)
        echo "package: $name $version, $(find . -type f | wc -l) files"
        cargo check --locked "${json[@]}" >"$work/$name-default.json"
        cargo check --locked --all-targets --all-features "${json[@]}" >"$work/$name-all.json"
    )
    echo "package: $name compiles, and its tests compile"
done <<<"$packages"
