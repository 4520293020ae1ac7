"""The forms that values of settings have: lists, and URLs of several kinds."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from riskrelay.push.mail import address_problem, read_mail_server

T = TypeVar("T")


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _split(url: str, *, has_one_host: bool = True) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port if has_one_host else None
    except ValueError:  # the library's sentences don't say what to write
        raise ValueError("must be a URL with a valid host and port") from None
    return parts


def _known_engine(value: str) -> str:
    if not value.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("must start with sqlite:/// or postgresql://")
    _split(value, has_one_host=False)  # libpq takes several, separated by commas
    return value


def _origin_only(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an absolute http or https URL without a query, such as https://risk.example.com")
    if parts.path not in ("", "/"):
        raise ValueError("must be an origin without a path, because well-known URLs are at the root of a host")
    return value.rstrip("/")


def _proxy_origin(value: str) -> str:
    parts = _split(value or "http://none")  # a variable that is empty is as good as unset
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError("must be like http://proxy.example.com:3128 or https://user:password@proxy.example.com")
    return value


def _smtp_url(value: str) -> str:
    if value:  # a variable that is empty is as good as unset
        read_mail_server(value, "")
    return value


def _sender(value: str) -> str:
    problem = address_problem(value) if value else None
    if problem is not None:
        raise ValueError(problem)
    return value


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ip_network(value)
    except ValueError:
        raise ValueError(f"must be networks such as 10.0.0.0/8 or 2001:db8::/32, which {value} is not") from None


CommaSeparated = Annotated[list[T], NoDecode, BeforeValidator(_comma_separated)]
"""A list. A variable contains it as text with commas."""

DatabaseUrl = Annotated[str, AfterValidator(_known_engine)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""A network in CIDR form: no bit of the host is set."""

Origin = Annotated[str, AfterValidator(_origin_only)]
ProxyUrl = Annotated[str, AfterValidator(_proxy_origin)]
SmtpUrl = Annotated[str, AfterValidator(_smtp_url)]
Sender = Annotated[str, AfterValidator(_sender)]


def without_user(proxy: str | None) -> str | None:
    """Return a proxy's URL with `***` in place of user and password.

    >>> without_user("http://user:secret@proxy.example.com:3128")
    'http://***@proxy.example.com:3128'
    """
    scheme, separator, rest = (proxy or "").partition("://")
    _user, at, host = rest.rpartition("@")
    return f"{scheme}{separator}***@{host}" if at else proxy
