"""Convert the results of a rule's expressions for one event to a signal, or to the reason why there is none."""

import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from msgspec import Struct

from riskrelay.core.email_addresses import email_problem
from riskrelay.core.sources.mappings import Rule
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import ActivityKind, ActivitySignal, FindingSignal, Mapped, Name, Refused
from riskrelay.core.sources.times import read_time

MAX_NAMES = 8
MAX_ID_CHARACTERS = 128
MAX_TEXT_CHARACTERS = 200
MAX_EVIDENCE = 16
_MAX_CANDIDATES = 64
_MAX_DEPTH = 4
_EXACT = 2**53  # the expression language rounds larger JSON numbers, so that two ids would become equal
_ACTIVITIES: Final[dict[str, ActivityKind]] = {
    "login": "login",
    "session_refresh": "session_refresh",
    "dlp_hit": "dlp_hit",
}
_PLACEHOLDERS = frozenset(("-", "n/a", "null", "none", "unknown", "undefined"))  # sent for an absent name
_TRUE = frozenset(("true", "yes", "y", "t", "1", "on"))


class Row(Struct, kw_only=True):
    """The results of one rule's expressions for one event: any JSON, in members named like those of the rule."""

    user: Any = None
    full_name: Any = None
    names: Any = None
    time: Any = None
    id: Any = None
    ip: Any = None
    place: Any = None
    anonymous: Any = None
    application: Any = None
    policy: Any = None
    title: Any = None
    evidence: Any = None


def read_row(row: Row, rule: Rule, event: bytes, at: str) -> Mapped:
    """Convert the results of a rule for an event.

    Args:
        event: its canonical JSON, which is hashed if the event has no id.
        at: the rule's position in its document, such as `rules[2]`.

    Returns: a signal; `Refused` if its time can't be read, or it has neither an e-mail address nor a name.
    """
    at_ms = _first_time(row.time)
    if at_ms is None and any(True for _ in _texts(row.time)):
        return Refused(reason=Reason.BAD_TIME, pointer=f"{at}.time")
    identities = _identities(row.user)
    names = () if identities else _names(row.names)
    if not identities and not names:
        return Refused(reason=Reason.NO_USER, pointer=f"{at}.user")
    event_id = _event_id(row.id, event)
    if rule.behavior is not None:
        return FindingSignal(
            behavior=rule.behavior,
            identities=identities,
            names=names,
            at_ms=at_ms,
            event_id=event_id,
            full_name=_text(row.full_name),
            title=_text(row.title),
            ip=_ip(row.ip),
            application=_text(row.application),
            evidence=_evidence(row.evidence),
        )
    place = row.place if isinstance(row.place, dict) else {}
    latitude, longitude = _coordinates(place)
    return ActivitySignal(
        activity=_ACTIVITIES[rule.gives],
        identities=identities,
        names=names,
        at_ms=at_ms,
        event_id=event_id,
        full_name=_text(row.full_name),
        ip=_ip(row.ip),
        application=_text(row.application),
        evidence=_evidence(row.evidence),
        latitude=latitude,
        longitude=longitude,
        accuracy_km=_number(place.get("accuracy_km"), 0, 25_000),
        country=_text(place.get("country")),
        city=_text(place.get("city")),
        asn=_asn(place.get("asn")),
        is_anonymous=_is_true(row.anonymous),
        policy=_text(row.policy),
    )


def is_complete(mapped: Mapped, row: Row) -> bool:
    """Return whether a row of first candidates is sufficient. Otherwise other candidates may supply missing values."""
    if isinstance(mapped, (FindingSignal, ActivitySignal)):
        return bool(mapped.identities) and (mapped.ip is not None or row.ip is None)
    return False


def _texts(value: object, depth: int = 0) -> Iterator[str | int | float]:
    """Yield the strings and numbers in a value, in order. Lists may be nested; other values are skipped."""
    if isinstance(value, str):
        if value and not value.isspace():
            yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for entry in value[:_MAX_CANDIDATES]:
            yield from _texts(entry, depth + 1)


def _first_time(value: object) -> int | None:
    if isinstance(value, (str, int)):
        return read_time(value)
    return next((at_ms for text in _texts(value) if (at_ms := read_time(text)) is not None), None)


def _identities(value: object) -> tuple[str, ...]:
    """Return the first usable e-mail address among the candidates, as a tuple of one."""
    texts = (value,) if isinstance(value, str) else _texts(value)
    for text in texts:
        if isinstance(text, str) and (address := _address(text)) is not None:
            return (address,)
    return ()


@lru_cache(maxsize=8192)
def _address(text: str) -> str | None:
    """Return the e-mail address in a text, without `mailto:` and without a name before angle brackets."""
    if len(text) > 1_000 or "@" not in text:
        return None
    address = text.strip()
    if address.endswith(">") and "<" in address:
        address = address[address.rindex("<") + 1 : -1].strip()
    if address[:7].lower() == "mailto:":
        address = address[7:].strip()
    return address if email_problem(address) is None else None


def _names(value: object) -> tuple[Name, ...]:
    if not isinstance(value, dict):
        return ()
    found = [
        Name(kind=kind, value=clean)
        for kind, texts in value.items()
        for text in _texts(texts)
        if (clean := _clean(text)) is not None and clean.lower() not in _PLACEHOLDERS
    ]
    return tuple(dict.fromkeys(found[:MAX_NAMES]))


def _event_id(value: object, event: bytes) -> str:
    """Return the sender's id, or a hash of the event. A repeated event has the same hash."""
    if isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS and value.isprintable() and not value.isspace():
        return value
    for text in _texts(value):
        if isinstance(text, str) or (text == int(text) if isfinite(text) else False):
            if not isinstance(text, str) and abs(text) >= _EXACT:
                break
            event_id = text if isinstance(text, str) else str(int(text))
            if len(event_id) <= MAX_ID_CHARACTERS and event_id.isprintable():
                return event_id
            return "sha256:" + hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest()
    return "sha256:" + hashlib.sha256(event).hexdigest()


def _text(value: object) -> str | None:
    """Return the first text of a value, normalized and truncated."""
    if value is None or isinstance(value, str):
        return _clean(value) if value else None
    return next((clean for text in _texts(value) if (clean := _clean(text)) is not None), None)


def _clean(text: str | float) -> str | None:
    words = text if isinstance(text, str) else format(text, ".15g")
    if len(words) <= MAX_TEXT_CHARACTERS and words.isprintable():
        return words.strip() or None
    words = words[: 2 * MAX_TEXT_CHARACTERS]
    if not words.isprintable():
        words = "".join(character if character.isprintable() else " " for character in words)
    return words.strip()[:MAX_TEXT_CHARACTERS] or None


def _evidence(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    found: dict[str, str] = {}
    for name, texts in value.items():
        if texts is None or len(found) == MAX_EVIDENCE:
            continue
        words = texts if isinstance(texts, str) else _joined(texts)
        is_clean = len(words) <= MAX_TEXT_CHARACTERS and words.isprintable()  # nearly always, so without a call
        if clean := words.strip() if is_clean else _clean(words):
            found[name[:MAX_TEXT_CHARACTERS]] = clean
    return found


def _joined(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    words = (text if isinstance(text, str) else format(text, ".15g") for text in _texts(value))
    return ", ".join(word[:MAX_TEXT_CHARACTERS] for word, _ in zip(words, range(MAX_EVIDENCE), strict=False))


def _ip(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return _address_of(value) if value else None
    return next((ip for text in _texts(value) if isinstance(text, str) and (ip := _address_of(text))), None)


@lru_cache(maxsize=8192)
def _address_of(text: str) -> str | None:
    """Return an IP address without port, zone and further hops, in its canonical form."""
    if len(text) > 1_000:
        return None
    first = text.partition(",")[0].strip()
    if first.startswith("["):
        first = first[1:].partition("]")[0]
    elif first.count(":") == 1:
        first = first.partition(":")[0]
    try:
        address = ipaddress.ip_address(first.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _coordinates(place: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return latitude and longitude; both or neither."""
    latitude, longitude = _number(place.get("lat"), -90, 90), _number(place.get("lon"), -180, 180)
    return (None, None) if latitude is None or longitude is None else (latitude, longitude)


def _number(value: object, low: float, high: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, float):
        return value if low <= value <= high else None
    if isinstance(value, list) and value and isinstance(value[0], float):
        value = value[0]
    first = value if isinstance(value, (int, float, str)) else next(_texts(value), None)
    if first is None or isinstance(first, bool):
        return None
    try:
        number = float(first[:64] if isinstance(first, str) else first)
    except (ValueError, OverflowError):
        return None
    return number if low <= number <= high else None


def _asn(value: object) -> int | None:
    if value is None or (isinstance(value, int) and 0 < value < 2**32):
        return value
    first: object = next(_texts(value), None)
    if isinstance(first, str):
        first = first.strip()[:32].upper().removeprefix("AS").strip()
    number = _number(first, 1, 2**32 - 1)
    return None if number is None else int(number)


def _is_true(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(_is_true(entry) for entry in value[:_MAX_CANDIDATES])
    if isinstance(value, str):
        return value.strip().lower() in _TRUE
    return isinstance(value, (int, float)) and value != 0
