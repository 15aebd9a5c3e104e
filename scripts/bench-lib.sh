# Shared by scripts/bench-*.sh: sourced, never run.
# shellcheck shell=bash

SELF=$(realpath "$0")
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

SERVER=target/release/examples/bench_server
LOAD=target/release/examples/bench_load
SERVER_CORE=${SERVER_CORE:-0}
LOAD_CORE=${LOAD_CORE:-1}

WORK=$(mktemp -d)
# A body of one envelope with an empty message: Check of "".
printf '\0\0\0\0\0' >"$WORK/check.bin"
PIDS=()
trap 'stop_all; rm -rf "$WORK"' EXIT

say() { printf '%s\n' "$*" >&2; }

need() { # need COMMAND DEBIAN-PACKAGE
    command -v "$1" >/dev/null && return
    say "$0: $1 is not installed (Debian: apt-get install $2)"
    exit 1
}

build() { [ -n "${BENCH_SKIP_BUILD:-}" ] || cargo build --quiet --locked --release ${BENCH_FEATURES:+--features "$BENCH_FEATURES"} --example bench_server --example bench_load; }

CONGESTION=/proc/sys/net/ipv4/tcp_congestion_control

# with_cubic ARGUMENT-OF-THE-SCRIPT...: TCP's congestion control must be cubic, Linux's default. BBR sends at a pace that timers keep, on
# the loopback interface as well, and in a virtual machine these timers cost more than all else. Where the machine has another congestion
# control, the script begins anew in a network namespace that has cubic. This takes root, and what is built must be there already.
with_cubic() {
    [ "$(cat $CONGESTION)" != cubic ] || return 0
    say "$0: TCP has $(cat $CONGESTION) here: measuring in a network namespace with cubic"
    BENCH_SKIP_BUILD=1 exec unshare --net bash -c \
        'ip link set lo up && echo cubic >'$CONGESTION' && exec bash "$0" "$@"' "$SELF" "$@"
}

# What the figures were made with: printed under each table.
machine() {
    printf '%s, %s cores, %s, TCP with %s; %s; commit %s.\n' \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" "$(nproc)" "$(uname -sr)" "$(cat $CONGESTION)" \
        "$(rustc --version | cut -d' ' -f1,2)" "$(git rev-parse --short HEAD)"
}

stop_all() {
    local pid
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null; done
    wait 2>/dev/null
}

# start_server WRAPPER... -- ARG...: sets SERVER_PID, ADDRESS, and the pipes SERVER_IN, SERVER_OUT.
start_server() {
    local wrapper=()
    while [ "$1" != -- ]; do wrapper+=("$1"); shift; done
    shift
    coproc SERVER_COPROC { exec "${wrapper[@]}" "$SERVER" "$@" 2>"$WORK/server.err"; } 2>/dev/null
    SERVER_PID=$SERVER_COPROC_PID
    PIDS+=("$SERVER_PID")
    # Bash closes a coproc's own descriptors when it ends: keep copies.
    exec {SERVER_OUT}<&"${SERVER_COPROC[0]}" {SERVER_IN}>&"${SERVER_COPROC[1]}"
    eval "exec ${SERVER_COPROC[0]}<&- ${SERVER_COPROC[1]}>&-"
    local line
    read -r line <&"$SERVER_OUT" || { cat "$WORK/server.err" >&2; exit 1; }
    ADDRESS=${line#listening on }
}

# CPU time of the server so far, ns.
server_cpu() {
    local nanos
    echo cpu >&"$SERVER_IN"
    read -r nanos <&"$SERVER_OUT"
    echo "$nanos"
}

# The end of its stdin ends it; waiting lets valgrind write its result.
stop_server() {
    exec {SERVER_IN}>&- {SERVER_OUT}<&-
    wait "$SERVER_PID" 2>/dev/null
    PIDS=()
}

# start_load: the client of benches/support/load.rs, at ADDRESS.
start_load() {
    coproc LOAD_COPROC { exec taskset -c "$LOAD_CORE" "$LOAD" "$ADDRESS"; } 2>/dev/null
    LOAD_PID=$LOAD_COPROC_PID
    PIDS+=("$LOAD_PID")
    exec {LOAD_OUT}<&"${LOAD_COPROC[0]}" {LOAD_IN}>&"${LOAD_COPROC[1]}"
    eval "exec ${LOAD_COPROC[0]}<&- ${LOAD_COPROC[1]}>&-"
}

load() { # load COMMAND...: returns when it is done; sets LOAD_ANSWER
    echo "$*" >&"$LOAD_IN"
    read -r LOAD_ANSWER <&"$LOAD_OUT" || { say "$0: the load failed at: $*"; exit 1; }
}

stop_load() {
    exec {LOAD_IN}>&- {LOAD_OUT}<&-
    wait "$LOAD_PID" 2>/dev/null
}

# h2load_checks REQUESTS IN_FLIGHT: so many Checks over 4 connections; fails unless all succeed.
h2load_checks() { h2load_posts "$1" "$2" "$WORK/check.bin" /grpc.health.v1.Health/Check; }

# h2load_posts REQUESTS IN_FLIGHT BODY PATH: so many calls over 4 connections; fails unless all succeed.
h2load_posts() {
    taskset -c "$LOAD_CORE" h2load -n "$1" -c 4 -m "$2" -d "$3" \
        -H 'content-type: application/grpc' -H 'te: trailers' \
        "http://$ADDRESS$4" >"$WORK/h2load.out" ||
        { cat "$WORK/h2load.out" >&2; exit 1; }
    grep -q "requests: $1 total, $1 started, $1 done, $1 succeeded" "$WORK/h2load.out" ||
        { cat "$WORK/h2load.out" >&2; exit 1; }
}

median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

# ratios FILE FILE: of their lines, one by one
ratios() { paste "$1" "$2" | awk '{ printf "%.3f\n", $1 / $2 }'; }

# callgrind_checks IN_FLIGHT REQUESTS PROFILE ARG...: the instructions of the server with these arguments, for so many Checks.
callgrind_checks() {
    local in_flight=$1 requests=$2 profile=$3
    shift 3
    start_server taskset -c "$SERVER_CORE" valgrind --tool=callgrind --callgrind-out-file="$profile" -- "$@"
    h2load_checks "$requests" "$in_flight"
    stop_server
    sed -n 's/^summary: //p' "$profile"
}

# per_check IN_FLIGHT DIR ARG...: the slope between two numbers of Checks, which leaves out start-up. The profiles stay in DIR. LONGER makes
# the second number so many times as large, for servers whose start-up varies.
per_check() {
    local in_flight=$1 dir=$2 few=1000 many=5000 base more name
    shift 2
    [ "$in_flight" -eq 1 ] || { few=4000 many=24000; }
    many=$((many * ${LONGER:-1}))
    name=$dir/${1:-check}.m$in_flight
    base=$(callgrind_checks "$in_flight" "$few" "$name.n$few" "$@")
    more=$(callgrind_checks "$in_flight" "$many" "$name.n$many" "$@")
    echo $(((more - base) / (many - few)))
}

# alone_with DIR PROGRAM DEPENDENCIES: builds PROGRAM in a package of DIR that has these dependencies, lines of TOML, and no others, as
# $CARGO_TARGET_DIR/release/counted. Versions are those of Cargo.lock.
alone_with() {
    mkdir -p "$1/src"
    {
        printf '[workspace]\n[package]\nname = "counted"\nedition = "2024"\n[profile.release]\nlto = "fat"\ncodegen-units = 1\n'
        printf '[dependencies]\n%s\n' "$3"
    } >"$1/Cargo.toml"
    cp Cargo.lock "$1/"
    cp benches/support/counted.rs "$1/src/"
    cp "$2" "$1/src/main.rs"
    (cd "$1" && cargo build --offline --quiet --release)
}

# ratio A B
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
