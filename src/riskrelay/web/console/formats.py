"""How times, durations and numbers are shown. Pure."""

from datetime import datetime, timedelta
from typing import Any

from riskrelay.core.delivery.health import in_words

_BIDIRECTIONAL = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_PICTURES = {
    **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"},
    0x7F: "\u2421",
    **{code: f"⟨U+{code:04X}⟩" for code in (*range(0x80, 0xA0), *_BIDIRECTIONAL)},
}


def visible(value: Any) -> Any:
    """Return a text for a page, with visible symbols for control characters and for characters that reverse text.

    >>> visible("\x1b[31mred"), visible("\u202egpj.exe"), visible(7)
    ('␛[31mred', '⟨U+202E⟩gpj.exe', 7)
    """
    return value.translate(_PICTURES) if type(value) is str else value  # Markup has passed here as text before


def relative(at: datetime, now: datetime) -> str:
    """Return a time relative to now.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 17, 12, tzinfo=UTC)
    >>> relative(noon - timedelta(minutes=3), noon), relative(noon + timedelta(hours=2), noon), relative(noon, noon)
    ('3 min ago', 'in 2 h', 'just now')
    """
    passed = now - at
    if abs(passed) < timedelta(seconds=5):
        return "just now"
    return f"{in_words(passed)} ago" if passed > timedelta(0) else f"in {in_words(-passed)}"


def absolute(at: datetime) -> str:
    """Return a time in UTC, to the second.

    >>> from datetime import UTC
    >>> absolute(datetime(2026, 3, 17, 12, 0, 5, tzinfo=UTC))
    '2026-03-17 12:00:05 UTC'
    """
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def machine(at: datetime) -> str:
    """Return a time in the format of `<time datetime>`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def number(value: int) -> str:
    """Return a whole number with thousands separators.

    >>> number(1234567)
    '1,234,567'
    """
    return f"{value:,}"


def sentence_case(words: str) -> str:
    """Return words with a capital first letter; the other letters stay.

    >>> sentence_case("session revoked"), sentence_case("TLS")
    ('Session revoked', 'TLS')
    """
    return words[:1].upper() + words[1:]


def milliseconds(value: float) -> str:
    """Return a short duration, in the most readable unit.

    >>> milliseconds(0.84), milliseconds(42.4), milliseconds(1234.0), milliseconds(90_000.0)
    ('0.8 ms', '42 ms', '1.2 s', '1 min')
    """
    if value < 1_000:
        return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"
    return f"{value / 1_000:.1f} s" if value < 60_000 else in_words(timedelta(milliseconds=value))
