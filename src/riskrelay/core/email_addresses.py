"""E-mail addresses: which texts are one, and which two name the same mailbox."""

import re
import unicodedata
from functools import lru_cache

import idna

MAX_EMAIL_CHARACTERS = 320  # RFC 3696 errata 1690: 64 of the local part, the @, 255 of the domain
_MAX_DOMAIN_CHARACTERS = 253  # RFC 1035 §2.3.4, without the root's dot

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-"  # RFC 5322 §3.2.3, and dots wherever mailboxes in use have them
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?"  # underscores: internal domains have them
_LOCAL = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]+")
_ASCII_LABEL = re.compile(_LABEL)
_NOT_PRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}
_BECOME_ASCII = re.compile("([\u037e\u1fef\u212a])")
"""The characters outside ASCII that NFC replaces by ASCII: Greek question mark, Greek varia, Kelvin sign."""


def email_key(email: str) -> str:
    """Return the key of an address. Two addresses have the same key exactly if they are of the same mailbox.

    The local part is in NFC and in lower case, character by character (the one-to-one mapping of UnicodeData.txt), so
    that only letter case is removed: `ß` and `ss`, `ﬃ` and `ffi`, `ς` and `σ` stay different; `ẞ` and `ß` become
    equal. No character outside ASCII becomes an ASCII character: `İ` differs from `i`, the Kelvin sign from `k`. The
    domain is mapped by UTS 46, so that it has one letter case, no dot at its end, and letters instead of Punycode.

    Args:
        email: any text; a text that is not an address has a key too.

    Rule: RFC 6532 §3.1 (NFC); RFC 5891, UTS 46 (domains); RFC 5321 §2.4 (letter case of local parts is a choice).

    >>> email_key("Kai@Example.COM."), email_key("J.Weiß@XN--STRAE-OQA.example")
    ('kai@example.com', 'j.weiß@straße.example')
    """
    local, at, domain = email.rpartition("@")
    if email.isascii() and not email.endswith(".") and "xn--" not in domain.lower():
        return email.lower()  # nearly every address
    return _local_key(local) + at + _domain_key(domain)


@lru_cache(maxsize=16_384)  # some megabytes; each finding asks for its user's key about twenty times
def user_key(email: str) -> str:
    """Return the `email_key` of a user's address, remembered.

    Args:
        email: a valid address, so it is short.
    """
    return email_key(email)


def email_start_key(start: str) -> str:
    """Return the prefix of the keys of all addresses that begin with *start*.

    An incomplete domain cannot be mapped by UTS 46, so it is compared in lower case.

    >>> email_start_key("Kai@EXA")
    'kai@exa'
    """
    local, at, domain = start.rpartition("@")
    return _local_key(local) + at + _local_key(domain)


def email_problem(text: str) -> str | None:
    """Return the problem of an e-mail address's form; None if it is valid.

    Only the form is checked. Quoted local parts and address literals are refused, because identity providers do not
    use them for users.

    >>> email_problem("mailto:kai@example.com")
    'must be an e-mail address alone: remove mailto:'
    """
    local, at, domain = text.rpartition("@")
    if len(text) > MAX_EMAIL_CHARACTERS:
        return f"must not be longer than {MAX_EMAIL_CHARACTERS} characters"
    if text[:7].lower() == "mailto:":
        return "must be an e-mail address alone: remove mailto:"
    if text.endswith(">"):
        return "must be an e-mail address alone: remove the angle brackets and any name before them"
    if not at or not local or not domain:
        return "must be an e-mail address, such as kai@example.com"
    return _local_problem(local) or _domain_problem(domain)


def _local_problem(local: str) -> str | None:
    if "@" in local:
        return "must be one e-mail address: it has more than one @"
    if _LOCAL.fullmatch(local) is None or (not local.isascii() and not _is_printable(local)):
        return "must not have spaces, quotes, brackets, commas, colons, backslashes or control characters before the @"
    if not local.strip("."):
        return "must have a name before the @, such as kai@example.com"
    return None


def _is_printable(text: str) -> bool:
    return not any(unicodedata.category(character) in _NOT_PRINTABLE for character in text)


def _domain_problem(domain: str) -> str | None:
    if domain.startswith("["):
        return "must have a domain name behind the @, not an IP address"
    labels = domain.removesuffix(".").split(".")
    if domain.isascii() and "xn--" not in domain.lower():
        is_name = len(domain) <= _MAX_DOMAIN_CHARACTERS and all(map(_ASCII_LABEL.fullmatch, labels))
    else:
        is_name = _mapped(domain) is not None
    if not is_name:
        return "must have a domain name behind the @, such as example.com"
    return "must have a domain name behind the @, not an IP address" if labels[-1].isdigit() else None


def _local_key(local: str) -> str:
    """Return *local* in NFC and lower case, where no character outside ASCII has become one of ASCII."""
    normal = _normal(local)
    return normal.lower() if normal.isascii() else _normal("".join(map(_lower, normal)))


def _normal(text: str) -> str:
    parts = _BECOME_ASCII.split(text)
    return "".join(part if place % 2 else unicodedata.normalize("NFC", part) for place, part in enumerate(parts))


def _lower(character: str) -> str:
    # One character has one lower-case character, except İ: its full mapping has two, its simple mapping is ASCII.
    # Alone, Σ becomes σ wherever it stood: the rule for the end of a word needs its neighbors.
    lower = character.lower()
    return lower if character.isascii() or (len(lower) == 1 and not lower.isascii()) else character


def _domain_key(domain: str) -> str:
    mapped = _mapped(domain)
    return domain.removesuffix(".").lower() if mapped is None else mapped


def _mapped(domain: str) -> str | None:
    """Return a domain with letters instead of Punycode; None when it is no domain name."""
    if len(domain) > MAX_EMAIL_CHARACTERS:  # the work of idna grows with the square of the length
        return None
    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True).removesuffix(b".")
        return idna.decode(encoded) if len(encoded) <= _MAX_DOMAIN_CHARACTERS else None
    except (idna.IDNAError, UnicodeError):
        return None
