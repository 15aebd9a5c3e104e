#!/usr/bin/env bash
# The MSRV is stated once, as `rust-version` in Cargo.toml, and it is the highest `rust-version`
# among the crates an embedder may have to compile: normal and build dependencies, every feature,
# every target. This fails when the two differ, or when our own sources use syntax newer than it.
# (Newer standard-library items are clippy's `incompatible_msrv`.)
set -euo pipefail
cd "$(dirname "$0")/.."

metadata=$(cargo metadata --format-version 1 --all-features --locked)
msrv=$(python3 -c '
import json, sys

meta = json.load(sys.stdin)
packages = {p["id"]: p for p in meta["packages"]}
nodes = {n["id"]: n for n in meta["resolve"]["nodes"]}
members = set(meta["workspace_members"])
root = meta["resolve"]["root"]

def key(version):
    return tuple(int(part) for part in (version + ".0.0").split(".")[:3])

seen, todo = set(), list(members)
while todo:
    node = todo.pop()
    if node in seen:
        continue
    seen.add(node)
    todo += [d["pkg"] for d in nodes[node]["deps"]
             if any(kind["kind"] != "dev" for kind in d["dep_kinds"])]

stated = packages[root]["rust_version"]
if stated is None:
    sys.exit("msrv: Cargo.toml states no rust-version")
wanted = [packages[i] for i in seen if i not in members and packages[i]["rust_version"]]
top = max(wanted, key=lambda p: key(p["rust_version"]))
names = sorted(p["name"] + " " + p["version"] for p in wanted
               if key(p["rust_version"]) == key(top["rust_version"]))
print("msrv: dependencies need %s (%s)" % (top["rust_version"], ", ".join(names)), file=sys.stderr)
if key(stated) != key(top["rust_version"]):
    sys.exit("msrv: Cargo.toml states %s, the dependencies need %s" % (stated, top["rust_version"]))
print(stated)
' <<<"$metadata")

# Let chains came with 1.88 and no lint knows: edition 2021 refuses to parse them, so it is asked.
# Only a parse (the flag is unstable, hence the bootstrap variable); nothing is compiled.
minor=$(cut -d. -f2 <<<"$msrv")
if [ "$minor" -lt 88 ]; then
    if ! find src build.rs grpc-health-build/src -name '*.rs' -print0 |
        RUSTC_BOOTSTRAP=1 xargs -0 -n 1 -P "$(nproc)" rustc --edition 2021 -Zparse-crate-root-only; then
        echo "msrv: syntax newer than Rust $msrv (see above)" >&2
        exit 1
    fi
fi
echo "msrv: $msrv"
