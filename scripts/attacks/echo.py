"""The echo service of benches/support/echo.rs, as attackers call it."""

from peer import HEADERS, Server, frame


class Echo(Server):
    """A server with the echo service."""

    def __init__(self, which, *options):
        super().__init__("router" if which == "ours" else which, *options)


def head(stream, method):
    fields = [(":path", "/bench.Echo/" + method), (":authority", "a"), ("te", "trailers"), ("content-type", "application/grpc")]
    text = b"\x83\x86"
    for name, value in fields:
        text += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return frame(HEADERS, 4, stream, text)
