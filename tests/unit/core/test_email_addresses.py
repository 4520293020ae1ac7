"""Which texts are e-mail addresses, and which two name the same mailbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.email_addresses import email_key, email_problem, email_start_key

SAME = [
    ("Kai@Example.COM", "kai@example.com"),
    ("kai@example.com.", "kai@example.com"),
    ("kai@B\u00dcCHER.example", "kai@xn--bcher-kva.example"),
    ("kai@bu\u0308cher.example", "kai@b\u00fccher.example"),
    ("kai@\u212aelvin.example", "kai@kelvin.example"),  # DNS knows no Kelvin sign: UTS 46 maps it
    ("kai@ex\uff41mple\u3002com", "kai@example.com"),
    ("Jos\u00e9@example.com", "jose\u0301@example.com"),
    ("WEI\u1e9e@example.com", "wei\u00df@example.com"),
    ("\u039f\u0394\u039f\u03a3@example.com", "\u03bf\u03b4\u03bf\u03c3@example.com"),
]
DIFFERENT = [
    ("anna@stra\u00dfe.example", "anna@strasse.example"),
    ("j.wei\u00df@example.com", "j.weiss@example.com"),
    ("o\ufb03ce@example.com", "office@example.com"),
    ("\u212aen@example.com", "ken@example.com"),
    ("\u0130rem@example.com", "irem@example.com"),
    ("\u0130rem@example.com", "i\u0307rem@example.com"),
    ("\u03bf\u03b4\u03bf\u03c2@example.com", "\u03bf\u03b4\u03bf\u03c3@example.com"),
    ("\u017fam@example.com", "sam@example.com"),
    ("kai+a@example.com", "kai@example.com"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_mailbox_has_one_key(one: str, other: str) -> None:
    """Letter case, NFC, UTS 46 and the dot at the end of a domain make no difference."""
    assert email_key(one) == email_key(other)
    assert email_problem(one) is email_problem(other) is None


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_mailboxes_have_different_keys(one: str, other: str) -> None:
    """Only letter case is folded, and no character outside ASCII becomes ASCII."""
    assert email_key(one) != email_key(other)
    assert email_problem(one) is email_problem(other) is None


@given(st.text() | st.builds("{}@{}".format, st.text(), st.text()))
def test_a_key_is_its_own_key(text: str) -> None:
    """Any text has a key, and the key of a key is the same."""
    assert email_key(email_key(text)) == email_key(text)


@given(st.text(min_size=1, max_size=8), st.integers(0, 20))
def test_an_address_is_found_by_how_it_begins(local: str, length: int) -> None:
    """The console's search: the key of an ASCII address begins with the key of its beginning."""
    address = f"{local.encode('ascii', 'ignore').decode()}kai@Example.com"
    assert email_key(address).startswith(email_start_key(address[:length]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mailto:kai@example.com", "remove mailto:"),
        ("MAILTO:kai@example.com", "remove mailto:"),
        ("<kai@example.com>", "angle brackets"),
        ("Kai <kai@example.com>", "angle brackets"),
        (".@.", "a name before the @"),
        ("...@example.com", "a name before the @"),
        ("kai@.", "a domain name"),
        ("", "such as kai@example.com"),
        ("kai", "such as kai@example.com"),
        ("@example.com", "such as kai@example.com"),
        ("kai@", "such as kai@example.com"),
        ("kai@berg@example.com", "more than one @"),
        ('"kai berg"@example.com', "quotes"),
        ("kai berg@example.com", "spaces"),
        ("kai@exa mple.com", "a domain name"),
        ("kai\x00@example.com", "control characters"),
        ("kai\n@example.com", "control characters"),
        ("kai\u200b@example.com", "control characters"),
        ("kai\u00a0@example.com", "spaces"),
        ("kai\ud800@example.com", "control characters"),
        ("kai@-x.com", "a domain name"),
        ("kai@x-.com", "a domain name"),
        ("kai@a..com", "a domain name"),
        ("kai@example.com..", "a domain name"),
        (f"kai@{'a' * 64}.com", "a domain name"),
        ("kai@xn--.com", "a domain name"),
        ("kai@xn--a-.com", "a domain name"),
        ("kai@b\u00fc/cher.com", "a domain name"),
        ("kai@[192.0.2.1]", "not an IP address"),
        ("kai@[IPv6:2001:db8::1]", "not an IP address"),
        ("kai@192.0.2.1", "not an IP address"),
        ("kai@\uff11\uff19\uff12.0.2.\uff11", "not an IP address"),
        (f"{'k' * 320}@example.com", "320"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_change(text: str, words: str) -> None:
    """The message names the part at fault."""
    assert words in (email_problem(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "a@b",
        "o'brien+x=y@example.com",
        "kai.@example.com",
        "kai@r3---sn.example.com",
        "kai@corp_local",
        "kai@xn--bcher-kva.example",
        "\u7528\u6237@\u4f8b\u5b50.example",
        "k" * 308 + "@example.com",
    ],
)
def test_what_mailboxes_in_use_have_is_taken(text: str) -> None:
    """Single-label domains, underscores, dots at odd places, other scripts."""
    assert email_problem(text) is None
