"""Check the text of a push target's URL before the name is resolved."""

from ipaddress import ip_address

from yarl import URL

from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.push.addresses import TargetRules, is_disguised_address
from riskrelay.push.failures import refused


def read_target(text: str, rules: TargetRules) -> URL | Outcome:
    """Return the parsed URL of a push target, or the outcome that refuses it."""
    try:
        url = URL(text)
    except ValueError:
        return refused("bad_url", "the URL cannot be read: its host or port is malformed")
    if url.scheme not in ("http", "https") or not url.raw_host:
        return refused("bad_url", "not an absolute https URL")
    if "@" in url.raw_authority:
        return refused("userinfo_in_url", "the URL must not hold a user name or password")
    if url.scheme == "http" and not rules.allow_http:
        return refused("http_not_allowed", "RISKRELAY_ALLOW_HTTP_TARGETS is off")
    if is_disguised_address(url.raw_host):
        return refused("blocked_address", "write the address in its usual form, such as 192.0.2.1")
    return url


def server_name(host: str) -> str:
    """Return the name for SNI and for the check of the certificate. Neither has the final dot of an absolute name.

    Rule: RFC 6066 §3.

    >>> server_name("receiver.example.com.")
    'receiver.example.com'
    """
    return host.removesuffix(".")


class PushTargets:
    """Implements ports.Targets."""

    def __init__(self, rules: TargetRules) -> None:
        self._rules = rules

    def problem(self, endpoint_url: str) -> str | None:
        url = read_target(endpoint_url, self._rules)
        if isinstance(url, Outcome):
            return _WORDS[url.reason]
        host = url.raw_host or ""
        if self._rules.trusts_host(host) or not _is_address(host) or self._rules.may_dial(host):
            return None
        return "must not be a private or special address: events are pushed to public ones"


_WORDS = {
    "bad_url": "must be an absolute https URL, such as https://receiver.example.com/events",
    "userinfo_in_url": "must not hold a user name or password; use authorization_header",
    "http_not_allowed": "must be an https URL",
    "blocked_address": "must have its address in the usual form, such as 192.0.2.1",
}


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
