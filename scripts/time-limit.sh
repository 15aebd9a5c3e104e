#!/bin/sh
# Runs a program for cargo (.cargo/config.toml), and gives a binary of tests a time limit: a test that hangs must fail. After
# $GRPC_HEALTH_TEST_SECONDS (default 900, 0 is no limit) this script ends the binary with SIGABRT, and kills the processes that the tests
# have started. libtest names each test that runs for more than 60 seconds.
set -u
limit=${GRPC_HEALTH_TEST_SECONDS:-900}
case $1 in
*/deps/*) ;;
# `cargo run`, and the documentation's examples.
*) limit=0 ;;
esac
for arg; do
    [ "$arg" != --bench ] || limit=0
done

watch() {
    left=$limit
    while [ "$left" -gt 0 ]; do
        sleep 1
        case $(ps -o stat= -p $$) in
        # A zombie has ended, too.
        "" | Z*) return ;;
        esac
        left=$((left - 1))
    done
    echo "error: the tests have not ended within $limit s, the time limit of scripts/time-limit.sh: $1" >&2
    # This subshell is a child, too, and must not kill itself before the others.
    this=$(exec sh -c 'echo $PPID')
    children=$(pgrep -P $$ | grep -vx "$this")
    kill -ABRT $$
    # shellcheck disable=SC2086
    kill -KILL $children
}

# `exec` keeps the pid, so the program gets the signals of the terminal and of cargo.
if [ "$limit" -gt 0 ]; then
    watch "$1" &
fi
exec "$@"
