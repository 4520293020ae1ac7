"""What the settings allow beyond the safe defaults, for `doctor`."""

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from riskrelay.ports import Check, Verdict
from riskrelay.push.mail import read_mail_server

if TYPE_CHECKING:
    from riskrelay.settings.model import Settings


def loosened_by(settings: "Settings") -> list[Check]:
    """Return a warning for each setting that allows more than the safe defaults."""
    anybody = [str(network) for network in settings.trusted_proxies if network.prefixlen == 0]
    found = {
        "ALLOW_TARGETS": (
            settings.allow_targets,
            "pushes to these non-public addresses are allowed: ",
            "remove the entries that are not needed",
        ),
        "ALLOW_HTTP_TARGETS": (
            settings.allow_http_targets,
            "SETs may be pushed over plain HTTP: ",
            "unset it in production",
        ),
        "TRUSTED_PROXIES": (anybody, "any client can forge its address: ", "set it to the networks of the proxies"),
        "RATE_LIMIT": (not settings.rate_limit, "the rate limit is disabled: ", "set a limit"),
        "DATABASE_URL": (
            _without_verified_tls(settings.database_url),
            "the connection to PostgreSQL is not protected by verified TLS: ",
            "add ?sslmode=verify-full (and &sslrootcert=FILE for a private certificate authority)",
        ),
        "SMTP_URL": (
            _mail_server_without_tls(settings.smtp_url),
            "notifications are sent to the mail server without TLS: ",
            "remove ?starttls=no",
        ),
        "PUBLIC_URL": (
            settings.public_url.startswith("http:") and settings.public_url,
            "receivers use a plain HTTP address, and the console's cookies are sent without Secure: ",
            "put a TLS proxy in front, or set RISKRELAY_TLS_CERT; then new integrations get the https address",
        ),
    }
    return [
        Check(topic="settings", verdict=Verdict.WARNING, said=f"RISKRELAY_{name}: {said}{_shown(value)}.", fix=fix)
        for name, (value, said, fix) in found.items()
        if value
    ]


def _without_verified_tls(database_url: str) -> str | None:
    """Return the hosts that are reached over a network without verifying who answers; None: there are none.

    Only verify-full checks the certificate and its name. asyncpg's default, prefer, takes any certificate or none.

    Rule: libpq, "Connection Strings", "SSL Support"; PGHOST and PGSSLMODE apply if the URL omits them.
    """
    if not database_url.startswith("postgresql://"):
        return None
    parts = urlsplit(database_url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if options.get("sslmode", os.environ.get("PGSSLMODE")) == "verify-full":
        return None
    named = parts.netloc.rpartition("@")[2] or options.get("host") or os.environ.get("PGHOST", "")
    return ", ".join(host for host in named.split(",") if not _is_of_this_machine(unquote(host))) or None


def _mail_server_without_tls(url: str | None) -> str | None:
    """Return the host of a mail server that is reached over a network without TLS; None: there is none."""
    server = read_mail_server(url, "") if url else None
    if server is None or server.is_tls or server.is_upgraded or _is_of_this_machine(server.host):
        return None
    return server.host


def _is_of_this_machine(host: str) -> bool:
    """Tell whether *host*, perhaps with a port, is a socket's directory or a loopback address; "" is a socket."""
    if not host or host.startswith(("/", "@", ":")):
        return True
    name = host[1:].partition("]")[0] if host.startswith("[") else host if host.count(":") > 1 else host.split(":")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value).lower()
