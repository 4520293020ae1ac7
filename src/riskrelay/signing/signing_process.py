"""A process that only signs: `python -m riskrelay.signing.signing_process`, started by `signing_pool` with a socket
as its standard input. It ends when its parent does.
"""

import signal
import socket
import struct
from contextlib import suppress

import msgspec

from riskrelay.core.keys import Algorithm
from riskrelay.signing.private_key import PrivateKey

LENGTH = struct.Struct("!I")  # before each frame


class KeyMaterial(msgspec.Struct, array_like=True):
    """A private key. It is sent once, to the parent's own child over an unnamed socket."""

    algorithm: Algorithm
    pem: bytes


class Order(msgspec.Struct, array_like=True):
    """Payloads to sign. The answer is a frame with the list of their compact JWS.

    Attributes:
        key: the key, in the first order for a kid.
    """

    kid: str
    payloads: list[bytes]
    key: KeyMaterial | None = None


def frame(content: object) -> bytes:
    """Return the frame of *content*."""
    encoded = msgspec.msgpack.encode(content)
    return LENGTH.pack(len(encoded)) + encoded


def serve(parent: socket.socket) -> None:
    """Answer orders in turn until the parent closes the socket. The first frame is empty and means: ready.

    Raises: ConnectionError: the parent ended without closing the socket.
    """
    keys: dict[str, PrivateKey] = {}
    decode = msgspec.msgpack.Decoder(Order).decode
    parent.sendall(frame([]))
    with parent.makefile("rb") as orders:
        while len(head := orders.read(LENGTH.size)) == LENGTH.size:
            (length,) = LENGTH.unpack(head)
            content = orders.read(length)
            if len(content) < length:
                return
            order = decode(content)
            if order.key is not None:
                keys[order.kid] = PrivateKey(order.kid, order.key.algorithm, order.key.pem)
            parent.sendall(frame(keys[order.kid].sign_all(order.payloads)))


def main() -> None:
    """Serve the parent. Signals to all processes of a terminal are ignored: the parent handles them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=0) as parent, suppress(ConnectionError):
        serve(parent)


if __name__ == "__main__":
    main()
