"""Whether a URL may be pushed to, as far as its text tells (faults.md 30)."""

import pytest

from riskrelay.push.addresses import TargetRules
from riskrelay.push.targets import PushTargets

STRICT = PushTargets(TargetRules([], allow_http=False))
LENIENT = PushTargets(TargetRules(["127.0.0.0/8", "receiver.internal", "::1"], allow_http=True))


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example.com/events",
        "https://8.8.8.8/events",
        "https://[2606:4700::1111]:8443/",
        "https://receiver.internal",  # where the name leads is judged when it is dialled
        "HTTPS://Receiver.Example.COM/a?b=c",
    ],
)
def test_public_https_urls_may_be_pushed_to(url: str) -> None:
    """Names, public addresses, ports, queries."""
    assert STRICT.problem(url) is None


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("receiver.example.com", "absolute"),
        ("ftp://receiver.example.com", "absolute"),
        ("https://", "absolute"),
        ("https://[::1", "absolute"),
        ("http://receiver.example.com", "https"),
        ("https://user:secret@receiver.example.com", "user name"),
        ("https://127.0.0.1/", "public"),
        ("https://169.254.169.254/latest", "public"),
        ("https://10.0.0.8/", "public"),
        ("https://[::1]/", "public"),
        ("https://[::ffff:127.0.0.1]/", "public"),
        ("https://[fd00:ec2::254]/", "public"),
        ("https://2130706433/", "usual form"),
        ("https://0x7f.1/", "usual form"),
        ("https://0177.0.0.1/", "usual form"),
    ],
)
def test_others_are_refused_with_what_to_do(url: str, word: str) -> None:
    """No secret of the URL is in the message."""
    problem = STRICT.problem(url)
    assert problem is not None
    assert word in problem
    assert "secret" not in problem


@pytest.mark.parametrize("url", ["http://127.0.0.1:8701/events", "https://[::1]/", "http://receiver.internal"])
def test_what_the_operator_allows_may_be_pushed_to(url: str) -> None:
    """Listed networks and addresses, and http."""
    assert LENIENT.problem(url) is None
