"""Fetch and cache a transmitter's metadata and keys."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from riskrelay.receiver.verify import Keys

MAX_AGE = timedelta(hours=1)  # IOP 1.0 §2.6: keys change rarely, and an unknown kid fetches them at once
MIN_RSA_BITS = 2_048  # IOP 1.0 §2.6
MIN_PAUSE = timedelta(seconds=5)  # guessed: bounds the fetches that forged SETs with invented kids can cause
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MAX_DOCUMENT_BYTES = 1024 * 1024
_WELL_KNOWN = ("/.well-known/ssf-configuration", "/.well-known/sse-configuration")


class TransmitterUnavailable(Exception):
    """The transmitter's metadata or keys cannot be fetched now. The message contains the URL and the cause."""


class NoTransmitter(TransmitterUnavailable):
    """The response at the well-known URL is not of this transmitter. A retry does not help."""


@dataclass(frozen=True, slots=True)
class TransmitterMetadata:
    """The members of the transmitter's configuration metadata that a receiver needs. Rule: SSF 1.0 §7.1."""

    issuer: str
    jwks_uri: str


class Transmitter:
    """A transmitter by its well-known URL: metadata and keys, fetched when first needed and kept.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, well_known_url: str, session: aiohttp.ClientSession, monotonic: Callable[[], float]) -> None:
        self._url = well_known_url
        self._session = session
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._metadata: TransmitterMetadata | None = None
        self._keys: Keys = {}
        self._fetched_at = float("-inf")

    async def metadata(self) -> TransmitterMetadata:
        """Return the metadata.

        Raises: TransmitterUnavailable: they cannot be fetched, or are of another issuer.
        Rule: SSF 1.0 §7.2.4 (`issuer` is identical to the URL by which the metadata was found).
        """
        if self._metadata is None:
            document = await fetch_metadata(self._session, self._url)
            self._metadata = msgspec.convert(document, TransmitterMetadata)
        return self._metadata

    async def keys(self, wanted: str) -> Keys:
        """Return the keys by `kid`. They are fetched again if *wanted* is unknown or they are an hour old.

        Concurrent calls share one fetch. If it fails, older keys are still used.

        Raises: TransmitterUnavailable: no keys were ever fetched.
        """
        if not self._stale(wanted):
            return self._keys
        async with self._lock:
            if self._stale(wanted):
                await self._refresh()
        return self._keys

    def _stale(self, wanted: str) -> bool:
        age = self._monotonic() - self._fetched_at
        return age > MAX_AGE.total_seconds() or (wanted not in self._keys and age > MIN_PAUSE.total_seconds())

    async def _refresh(self) -> None:
        try:
            metadata = await self.metadata()
            document = await _fetch(self._session, metadata.jwks_uri)
            self._keys = {key.kid: key for key in map(_import, _listed(document)) if key is not None and key.kid}
        except TransmitterUnavailable:
            if not self._keys:
                raise
        self._fetched_at = self._monotonic()


async def fetch_metadata(session: aiohttp.ClientSession, well_known_url: str) -> dict[str, Any]:
    """Fetch a transmitter's metadata.

    Returns: the whole document, with a jwks_uri and an issuer that matches the URL.
    Raises: TransmitterUnavailable: it cannot be fetched; NoTransmitter: the response is not a transmitter's.
    Rule: SSF 1.0 §7.1, §7.2.4 (`issuer` is identical to the URL by which the metadata was found).
    """
    document = await _fetch(session, well_known_url)
    try:
        metadata = msgspec.convert(document, TransmitterMetadata)
    except msgspec.ValidationError as error:
        raise NoTransmitter(
            f"{well_known_url} is not transmitter metadata: issuer and jwks_uri must be strings; check the "
            "well-known URL"
        ) from error
    if metadata.issuer.rstrip("/") != issuer_of(well_known_url):
        raise NoTransmitter(
            f"{well_known_url} describes the issuer {metadata.issuer}, whose metadata are elsewhere; use the "
            "well-known URL as the transmitter gave it, with the host that the transmitter calls itself by"
        )
    return dict(document)


async def _fetch(session: aiohttp.ClientSession, url: str) -> Any:
    try:
        async with session.get(url, timeout=_TIMEOUT, allow_redirects=False) as response:
            body = await read_body(response, _MAX_DOCUMENT_BYTES)
            if response.status != 200:
                kind = TransmitterUnavailable if response.status >= 500 else NoTransmitter
                raise kind(
                    f"{url} answered {response.status}; check the well-known URL, and that its integration exists"
                )
            return msgspec.json.decode(body)
    except aiohttp.InvalidURL as error:
        raise NoTransmitter(f"{url} is not a URL; write it as the transmitter gave it") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise TransmitterUnavailable(f"{url} cannot be fetched ({type(error).__name__}); check that it runs") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise NoTransmitter(f"{url} is not JSON") from error


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the whole body.

    Raises: aiohttp.ClientPayloadError: it has more than *limit* bytes.
    """
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise aiohttp.ClientPayloadError(f"more than {limit} bytes")
    return bytes(body)


def issuer_of(well_known_url: str) -> str | None:
    """Return the issuer of *well_known_url*, without a final slash; None: it is not a well-known URL.

    Rule: SSF 1.0 §7.2 (the well-known part is between host and path of the issuer).

    >>> issuer_of("https://risk.example.com/.well-known/ssf-configuration/182bd5e5/")
    'https://risk.example.com/182bd5e5'
    """
    parts = urlsplit(well_known_url)
    for prefix in _WELL_KNOWN:
        path = parts.path.removeprefix(prefix).rstrip("/")
        if parts.path.startswith(prefix) and path[:1] in ("", "/"):
            return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    return None


def _listed(document: Any) -> list[dict[str, Any]]:
    listed = document.get("keys") if isinstance(document, dict) else None
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _import(entry: dict[str, Any]) -> RSAKey | ECKey | None:
    """Return a key of a JWK Set; None if it is not used here: of another type (RFC 7517 §5), or too short."""
    kinds: dict[Any, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}
    kind = kinds.get(entry.get("kty"))
    try:
        if kind is None or (kind is RSAKey and _modulus_bits(entry["n"]) < MIN_RSA_BITS):
            return None
        return kind.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _modulus_bits(encoded: str) -> int:
    """Return the bit length of an RSA modulus.

    Raises: ValueError, TypeError: *encoded* is not a base64url text.
    """
    return int.from_bytes(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))).bit_length()
