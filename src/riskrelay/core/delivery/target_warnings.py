"""Warnings about an integration's addresses that prevent its events from being accepted.

Pure; the address is still stored.
"""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from riskrelay.core.integrations import Integration
from riskrelay.core.products import PRODUCTS
from riskrelay.core.ssf.streams import Stream


def target_warnings(
    integration: Integration, streams: Sequence[Stream], problem: Callable[[str], str | None]
) -> list[str]:
    """Return warnings about an integration's addresses.

    Args:
        streams: all streams of the integration.
        problem: returns the problem of a URL under the current settings; None: the URL is valid.

    Returns: distinct sentences with the change to make; empty if the addresses are valid.
    """
    found = [_audience_warning(integration)]
    for stream in streams:
        wrong = None if stream.is_polled else problem(stream.endpoint_url)
        if wrong is not None:
            name = "The tenant URL" if stream.is_implicit else f"The endpoint of stream {stream.stream_id}"
            found.append(f"{name} {wrong}. No event is sent there until this is fixed.")
    return list(dict.fromkeys(filter(None, found)))


def _audience_warning(integration: Integration) -> str | None:
    """Return a warning about an unusual tenant URL, which is the `aud` of the events, byte for byte."""
    url = integration.tenant_url
    parts = urlsplit(url)
    origin = _origin(url)
    product = PRODUCTS[integration.integration_type]
    expected = product.audience
    if parts.path == "/" and not parts.query and not parts.fragment:
        return _audience(url, "ends with a slash", url.rstrip("/"))
    if expected is not None and (parts.path or parts.query or parts.fragment):
        return _audience(url, f"has more than a host name, and {expected.tenant}'s URL has no path", origin)
    if url.endswith("/"):
        return _audience(url, "ends with a slash", url.rstrip("/"))
    if expected is not None and parts.scheme == "https" and url != origin:
        return _audience(url, f"is not spelled the way {product.name} spells it", origin)
    return None


def _audience(url: str, what: str, instead: str) -> str:
    return (
        f"The tenant URL {what}. It is the audience (aud) of every event exactly as written, {url}, and a receiver "
        f"that expects {instead} rejects them. If it does, update the integration with {instead}."
    )


def _origin(url: str) -> str:
    """Return the scheme, host and port of a URL in their usual spelling: lower case, without the default port.

    >>> _origin("https://ACME.okta.com:443/oauth2?x=1")
    'https://acme.okta.com'
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    host = f"[{host}]" if ":" in host else host
    try:
        port = parts.port
    except ValueError:
        port = None
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + ("" if port in (None, default) else f":{port}")
