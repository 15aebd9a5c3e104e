#!/usr/bin/env python3
"""Instructions per message by room, from two profiles of callgrind with two numbers of messages: for scripts/bench-rooms.sh.

    scripts/rooms.py FEW MANY MESSAGES

FEW and MANY are files of callgrind, and MESSAGES is how many messages more the second one has. Code that the compiler has inlined counts
for the function around it. Python 3, nothing else.
"""

import collections
import re
import sys

# The first pattern that is found in the beginning of a function's name decides.
ROOMS = [
    ("guard", r"grpc_health::connection::guard"),
    ("connection: turns, calls, times", r"grpc_health::(connection|server|observe)"),
    ("call, envelope, statuses", r"grpc_health::(call|wire|service|inflating|buffers)"),
    ("router, handler, prost", r"grpc_health::router|bench_server::|prost"),
    ("health, registry", r"grpc_health::(health|registry|proto|sync)"),
    ("hpack", r"h2::hpack"),
    ("h2", r"h2::"),
    ("http, bytes", r"http::|bytes::"),
    ("tokio, mio", r"tokio|mio::"),
    ("memory: allocation, copies", r"^(_int_|mem(cpy|move|set|cmp)|__mem|malloc|free|realloc|calloc|cfree|unlink_chunk|tcache|__rust|__rdl|alloc::)"),
]


def profile(path):
    """The instructions of each function itself."""
    cost, names, function, called = collections.Counter(), {}, None, False
    with open(path, errors="replace") as lines:
        for line in lines:
            name = re.match(r"c?fn=(?:\((\d+)\))?(?: ?(.*))?$", line.rstrip("\n"))
            if name:
                number, text = name.groups()
                if text:
                    names[number] = text
                if line[0] == "f":
                    function = names.get(number, text)
            elif line.startswith("calls="):
                called = True
            elif line[0] in "0123456789+-*":
                if not called:
                    cost[function] += int(line.split()[1])
                called = False
    return cost


def room(function):
    # `<A as B>::f` is A's, and `drop_in_place::<A>` is A's; other parameters of types say nothing.
    name = re.sub(r"^<?(&mut |&)?(core::ptr::drop_in_place(::)?<)?<*(&mut |&|alloc::boxed::Box<|alloc::sync::Arc<|core::pin::Pin<)*", "", function or "")
    name = re.split(r"[<( ]", name, maxsplit=1)[0]
    for title, pattern in ROOMS:
        if re.search(pattern, name):
            return title
    return "other"


def main():
    few, many, messages = profile(sys.argv[1]), profile(sys.argv[2]), int(sys.argv[3])
    rooms = collections.Counter()
    for function in many:
        rooms[room(function)] += (many[function] - few[function]) / messages
    total = sum(rooms.values())
    for title, _ in [*ROOMS, ("other", None)]:
        print(f"| {title} | {rooms[title]:,.0f} | {rooms[title] / total:.1%} |")
    print(f"| all | {total:,.0f} | |")


if __name__ == "__main__":
    main()
