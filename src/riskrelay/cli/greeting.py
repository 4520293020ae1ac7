"""What `riskrelay serve` prints at a terminal."""

import sys
from urllib.parse import urlsplit

from riskrelay.cli.output import say
from riskrelay.settings import Settings
from riskrelay.web.console.cookies import SessionCookie, is_loopback


def greet(settings: Settings) -> None:
    """Print the console's URL and the next step, unless standard output is not a terminal."""
    if not sys.stdout.isatty():
        return
    for line in next_steps(settings):
        say("{}", line)


def next_steps(settings: Settings) -> list[str]:
    """Return the lines for a person who has just started the service."""
    public_url = settings.public_url
    parts = urlsplit(public_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    lines = [f"Console: {public_url}/console"]
    if not SessionCookie(public_url).is_possible:
        lines.append("Signing in requires HTTPS: set RISKRELAY_TLS_CERT, or put a TLS proxy in front of the service.")
    elif is_loopback(parts.hostname or "") and port != settings.port:
        lines.append(
            f"This process listens on port {settings.port}. To sign in, set "
            f"RISKRELAY_PUBLIC_URL={parts.scheme}://{parts.hostname}:{settings.port}"
        )
    else:
        lines.append(
            "Sign in with the token that `riskrelay init` printed. To create another: riskrelay token create default"
        )
    return [*lines, f"Documentation: {public_url}/docs", "Press Ctrl-C to stop the service."]
