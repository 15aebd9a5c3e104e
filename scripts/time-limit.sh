#!/bin/sh
# Runs a program for cargo (.cargo/config.toml), and gives a binary of tests time limits: a test that hangs must fail. This script ends the
# binary with SIGABRT, and kills the processes that the tests have started, when
# - the binary has run for $GRPC_HEALTH_TEST_SECONDS (default 900, 0 is no limit), or
# - one test has run for $GRPC_HEALTH_ONE_TEST_SECONDS (default 300, or the seconds of the binary if those are set; 0 is no limit).
set -u
all=${GRPC_HEALTH_TEST_SECONDS:-900}
one=${GRPC_HEALTH_ONE_TEST_SECONDS:-${GRPC_HEALTH_TEST_SECONDS:-300}}
case $1 in
*/deps/*) ;;
# `cargo run`, and the documentation's examples.
*) all=0 one=0 ;;
esac
for arg; do
    [ "$arg" != --bench ] || all=0 one=0
done
# Other systems do not tell how old a thread is.
[ "$(uname)" = Linux ] || one=0

# Prints the tests that run for too long. libtest runs each test in a thread with the name of the test, of which Linux keeps 15 bytes: all
# tests that begin with these are printed. A thread that a test makes has the same name unless the thread gets another one, so such a thread
# must end with the test.
names=
late() {
    old=$(ps -L -o lwp=,etimes=,comm= -p $$ | awk -v this=$$ -v one="$one" '$1 != this && $2 >= one { print $3 }')
    [ -n "$old" ] || return 0
    [ -n "$names" ] || names=$("$1" --list --format terse | sed -n 's/: test$//p')
    echo "$names" | old=$old awk '
        BEGIN { n = split(ENVIRON["old"], old, "\n"); for (i = 1; i <= n; i++) is[old[i]] }
        substr($0, 1, 15) in is { print }'
}

watch() {
    age=0
    while :; do
        sleep 1
        case $(ps -o stat= -p $$) in
        # A zombie has ended, too.
        "" | Z*) return ;;
        esac
        age=$((age + 1))
        if [ "$all" -gt 0 ] && [ "$age" -ge "$all" ]; then
            finish "the tests have not ended within $all s" "$1"
        fi
        if [ "$one" -gt 0 ] && [ "$age" -ge "$one" ]; then
            late=$(late "$1")
            [ -z "$late" ] || finish "a test has not ended within $one s" "$late"
        fi
    done
}

finish() {
    echo "error: $1, the time limit of scripts/time-limit.sh: $2" >&2
    # This subshell is a child, too, and must not kill itself before the others.
    this=$(exec sh -c 'echo $PPID')
    children=$(pgrep -P $$ | grep -vx "$this")
    kill -ABRT $$
    # shellcheck disable=SC2086
    kill -KILL $children
    exit
}

# `exec` keeps the pid, so the program gets the signals of the terminal and of cargo.
if [ $((one + all)) -gt 0 ]; then
    watch "$1" &
fi
exec "$@"
