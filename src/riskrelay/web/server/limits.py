"""The limits of one client, and of all clients together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one listening port.

    Attributes:
        connections: the open connections.
        connections_per_address: the open connections of one IPv4 address or one IPv6 /64 network.
        first_byte_seconds: from the connection to the first byte of the first request; also for the TLS handshake.
        head_seconds: from the first byte of a request to the end of its header fields.
        idle_seconds: from the end of a response to the first byte of the next request.
        body_seconds: for a body of no bytes; each byte adds 1 / *body_bytes_per_second*.
        body_bytes_per_second: the slowest upload that is not cut off.
        stall_seconds: how long a client may read no bytes of a response.
        discard_seconds: how long the rest of a body is read and dropped after the response, so that the client can read
            the response before the connection is reset.
        target_bytes: the size of the request target.
        head_bytes: the size of the request target and the header fields together.
        header_fields: the number of header fields in one request.
        pipelined: the requests that wait behind the current one on the same connection.
    """

    connections: int = 10_000
    connections_per_address: int = 4_000
    first_byte_seconds: float = 10
    head_seconds: float = 10
    idle_seconds: float = 60
    body_seconds: float = 20
    body_bytes_per_second: int = 8 * 1024
    stall_seconds: float = 20
    discard_seconds: float = 5
    target_bytes: int = 16 * 1024
    head_bytes: int = 32 * 1024
    header_fields: int = 100
    pipelined: int = 8
