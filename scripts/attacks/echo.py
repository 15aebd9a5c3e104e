"""The echo service of benches/support/echo.rs, as attackers call it."""

from peer import HEADERS, Server, block, frame


class Echo(Server):
    """A server with the echo service."""

    def __init__(self, which, *options):
        super().__init__("router" if which == "ours" else which, *options)


def head(stream, method):
    return frame(HEADERS, 4, stream, block(method, of="bench.Echo"))
