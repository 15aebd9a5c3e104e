#!/usr/bin/env bash
# The time of a clean release build: README's first example beside the same program on tonic-health, both with the versions of our
# Cargo.lock. A Markdown table. The builds alternate, each in a target directory of its own that is new; downloads are not counted.
#
#   bash scripts/bench-build.sh [ROUNDS]     3 by default
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Settings of this machine that would change what is built.
unset CARGO_TARGET_DIR RUSTFLAGS RUSTC_WRAPPER CARGO_BUILD_RUSTC_WRAPPER CARGO_INCREMENTAL

# program NAME: a crate with standard input as its src/main.rs and the lines of $dependencies.
program() {
    mkdir -p "$scratch/$1/src"
    cp Cargo.lock "$scratch/$1/"
    printf '[package]\nname = "program"\nedition = "2024"\n[workspace]\n%s\n' "$dependencies" >"$scratch/$1/Cargo.toml"
    cat >"$scratch/$1/src/main.rs"
    cargo fetch --quiet --manifest-path "$scratch/$1/Cargo.toml"
}

# README's first block of $1, as it is written there.
readme() { awk -v open="^\`\`\`$1" '$0 ~ open { inside = 1; next } /^```/ && inside { exit } inside' README.md; }

dependencies=$(readme toml | sed "s|path = \"../grpc-health\"|path = \"$PWD\"|")
readme rust | program grpc-health

dependencies='[dependencies]
tonic = "0.14"
tonic-health = "0.14"
tokio = { version = "1", features = ["macros", "rt"] }'
program tonic-health <<'RUST'
use tonic_health::ServingStatus;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop.Cart", ServingStatus::Serving).await;

    tonic::transport::Server::builder()
        .add_service(service)
        .serve("127.0.0.1:50051".parse()?)
        .await?;
    Ok(())
}
RUST

# Seconds of wall clock, and of the processors' time.
build() {
    rm -rf "$scratch/target"
    (
        TIMEFORMAT='%R %U %S'
        time cargo build --quiet --release --offline --manifest-path "$scratch/$1/Cargo.toml" --target-dir "$scratch/target"
    ) 2>&1 | awk -v name="$1" 'NF == 3 && $1 + 0 > 0 { print name, $1, $2 + $3; found = 1; next } { print >"/dev/stderr" } END { exit !found }'
}

for _ in $(seq "$rounds"); do
    build grpc-health
    build tonic-health
done | python3 -c '
import statistics, sys

times = {"grpc-health": [], "tonic-health": []}
for line in sys.stdin:
    name, *seconds = line.split()
    times[name].append([float(second) for second in seconds])
print("| clean release build, s | wall clock | processors |\n|---|---|---|")
for name, builds in times.items():
    print("| %s | %s |" % (name, " | ".join("%.1f (%.1f–%.1f)" % (statistics.median(column), min(column), max(column))
                                             for column in zip(*builds))))
ratios = [[a / b for a, b in zip(*pair)] for pair in zip(*times.values())]
print("| ours / tonic | %s |" % " | ".join("%.2f" % statistics.median(column) for column in zip(*ratios)))
'
