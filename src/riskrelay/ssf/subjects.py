"""Subject identifiers (RFC 9493)."""

from typing import Any


def email_subject(email: str) -> dict[str, Any]:
    """An identifier of format email.

    Rule: RFC 9493 §3.2.2.

    >>> email_subject("kai@example.com")
    {'format': 'email', 'email': 'kai@example.com'}
    """
    return {"format": "email", "email": email}
