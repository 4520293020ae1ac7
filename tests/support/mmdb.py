"""Writes databases in the MaxMind DB format, as small as tests need them.

Rule: MaxMind DB File Format Specification, version 2.0.
"""

import struct
from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"
_SEPARATOR = bytes(16)
_RECORD_BITS = 32
_STRING, _DOUBLE, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 3, 5, 6, 7, 9, 11
_TYPES = {  # the reader insists on these; other numbers take the smallest type that fits
    "binary_format_major_version": _UINT16,
    "binary_format_minor_version": _UINT16,
    "build_epoch": _UINT64,
    "ip_version": _UINT16,
    "node_count": _UINT32,
    "record_size": _UINT16,
}
_EXTENDED = 7  # types above have a byte of their own


def city(name: str | None, country: str, latitude: float, longitude: float, radius: int | None = 20) -> dict[str, Any]:
    """A record of a city database; without a *name* only the country is known."""
    location: dict[str, Any] = {"latitude": latitude, "longitude": longitude}
    if radius is not None:
        location["accuracy_radius"] = radius
    record: dict[str, Any] = {"country": {"iso_code": country}, "location": location}
    return record if name is None else {**record, "city": {"names": {"en": name}}}


def asn(number: int, name: str) -> dict[str, Any]:
    """A record of an ASN database."""
    return {"autonomous_system_number": number, "autonomous_system_organization": name}


def write_mmdb(
    path: Path, networks: Mapping[str, Mapping[str, Any]], kind: str = "Test-City", built: int = 1_795_000_000
) -> Path:
    """Write a database that knows *networks*, which must not overlap.

    Args:
        built: when it says it was built, in seconds since 1970.
    """
    nodes: list[list[int | None]] = [[None, None]]
    leaves: dict[tuple[int, int], int] = {}
    data = bytearray()
    for text, record in networks.items():
        network = ip_network(text)
        mapped = isinstance(network, IPv4Network)
        bits = int(network.network_address)
        length = network.prefixlen + (96 if mapped else 0)
        node = 0
        for position in range(length - 1):
            bit = bits >> (127 - position) & 1
            following = nodes[node][bit]
            if following is None:
                following = nodes[node][bit] = len(nodes)
                nodes.append([None, None])
            node = following
        leaves[node, bits >> (128 - length) & 1] = len(data)
        data += _encoded(record)
    tree = bytearray()
    for number, children in enumerate(nodes):
        for bit, child in enumerate(children):
            leaf = leaves.get((number, bit))
            value = len(nodes) if child is None else child
            tree += struct.pack(">I", value if leaf is None else len(nodes) + len(_SEPARATOR) + leaf)
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": built,
        "database_type": kind,
        "description": {"en": "a test"},
        "ip_version": 6,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": _RECORD_BITS,
    }
    path.write_bytes(bytes(tree) + _SEPARATOR + bytes(data) + _MARKER + _encoded(metadata))
    return path


def _encoded(value: Any, kind: int | None = None) -> bytes:
    if isinstance(value, str):
        text = value.encode()
        return _head(_STRING, len(text)) + text
    if isinstance(value, float):
        return _head(_DOUBLE, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        number = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _head(kind or (_UINT32 if len(number) <= 4 else _UINT64), len(number)) + number
    if isinstance(value, Mapping):
        return _head(_MAP, len(value)) + b"".join(
            _encoded(key) + _encoded(one, _TYPES.get(key)) for key, one in value.items()
        )
    return _head(_ARRAY, len(value)) + b"".join(_encoded(one) for one in value)


def _head(kind: int, size: int) -> bytes:
    """The control byte of a value below 285 bytes or members, and what follows it."""
    short, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind <= _EXTENDED:
        return bytes([kind << 5 | short]) + more
    return bytes([short, kind - 7]) + more
