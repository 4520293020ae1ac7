"""The directory of an account: from other names of users and their devices to e-mail addresses."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeGuard, get_args

from msgspec import Struct
from msgspec.structs import replace

from riskrelay.core.sources.signals import ActivitySignal, FindingSignal, Mapped, Name, NameKind

NAME_KINDS: tuple[NameKind, ...] = get_args(NameKind)
MAX_NAME_CHARACTERS = 255
MAX_GROUPS = 50  # guessed: of one entry; only groups that exceptions name are needed
MAX_MISSED_NAMES = 1_000  # specified: the most frequent names of an account

_LETTER_CASE_COUNTS = frozenset({"sub", "device_id"})  # OpenID Connect Core §2: `sub` is case-sensitive; so are tokens


class DirectoryEntry(Struct, frozen=True, kw_only=True):
    """A name, and the e-mail address of its user.

    Attributes:
        email: the address as it was sent.
        groups: the names of the user's groups, for exceptions. A user is in the groups of all entries of the address.
    """

    name: Name
    email: str
    groups: tuple[str, ...] = ()


class MissedName(Struct, frozen=True, kw_only=True):
    """A name that the directory did not have, of signals without another name.

    Attributes:
        signals: the number of lost signals.
        last_at: the time of the last lost signal.
    """

    name: Name
    signals: int
    last_at: datetime


def name_key(name: Name) -> str:
    """Return the text that two names of one kind share exactly when they are the same name.

    User names, UPNs and hosts are compared without letter case, as Active Directory and DNS do; `sub` and device ids
    byte by byte.

    >>> name_key(Name(kind="upn", value="Kai@Example.COM")), name_key(Name(kind="sub", value="aBc"))
    ('kai@example.com', 'aBc')
    """
    if name.kind in _LETTER_CASE_COUNTS:
        return name.value
    return name.value.lower() if name.value.isascii() else unicodedata.normalize("NFC", name.value).lower()


def name_problem(value: str) -> str | None:
    """Return why *value* cannot be a name; None: it can."""
    if 1 <= len(value) <= MAX_NAME_CHARACTERS and value.isprintable() and value == value.strip():
        return None
    return f"must have 1 to {MAX_NAME_CHARACTERS} printable characters, and no space at its beginning or its end"


def names_to_find(mapped: Iterable[Mapped]) -> list[Name]:
    """Return the names of the signals that carry no address, each once."""
    return list(dict.fromkeys(name for one in mapped if _needs_user(one) for name in one.names))


def with_users(mapped: Iterable[Mapped], emails: Mapping[Name, str]) -> list[Mapped]:
    """Add the e-mail address of the first known name to each signal without an address."""
    return [_with_user(one, emails) if _needs_user(one) else one for one in mapped]


def missed_names(mapped: Iterable[Mapped]) -> Counter[Name]:
    """Count the signals that are lost because the directory has none of their names, once for each name.

    Args:
        mapped: the result of `with_users`.
    """
    return Counter(name for one in mapped if _needs_user(one) for name in dict.fromkeys(one.names))


def _needs_user(one: Mapped) -> TypeGuard[FindingSignal | ActivitySignal]:
    return isinstance(one, FindingSignal | ActivitySignal) and not one.identities


def _with_user(signal: FindingSignal | ActivitySignal, emails: Mapping[Name, str]) -> FindingSignal | ActivitySignal:
    email = next((emails[name] for name in signal.names if name in emails), None)
    return signal if email is None else replace(signal, identities=(email,))
