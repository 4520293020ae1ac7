"""Remove the parts of the request from a response.

A SET and a credential are never stored, shown or logged, and some receivers repeat the whole request.
"""

import json
import re

from msgspec import structs

from riskrelay.core.ssf.outcomes import Outcome

_PIECE = 24  # guessed: 18 bytes of claims or of a credential; less than that gives nothing away
_RUN = re.compile(rb"[A-Za-z0-9._~+/=-]{%d,}" % _PIECE)  # RFC 6750 §2.1 b64token, and so every compact JWS

_MASK = b"(what was sent)"


def without_echo(said: bytes, token: bytes, authorization: str | None) -> bytes:
    """Return the text without every longer piece of the SET and of the header's credential.

    Args:
        said: the body of a response, or a text from it.
        authorization: the header that was sent with the SET.

    >>> without_echo(b"no: eyJraWQiOiJrMSIsImFsZyI6IlJTMjU2In0", b"eyJraWQiOiJrMSIsImFsZyI6IlJTMjU2In0.e30.c2ln", None)
    b'no: (what was sent)'
    """
    credential = _credential(authorization)
    for whole in (token, credential, json.dumps(credential.decode()).strip('"').encode()):
        if whole:
            said = said.replace(whole, _MASK).replace(whole.replace(b"/", rb"\/"), _MASK)
    if _RUN.search(said) is None:  # nearly always
        return said
    sent = _pieces(token) | _pieces(credential)
    return _RUN.sub(lambda run: _MASK if _pieces(run[0]) & sent else run[0], said)


def outcome_without_echo(outcome: Outcome, token: bytes, authorization: str | None) -> Outcome:
    """Return the outcome without echoes that JSON had spelled in another way."""
    if not outcome.detail:
        return outcome
    return structs.replace(outcome, detail=without_echo(outcome.detail.encode(), token, authorization).decode())


def _credential(authorization: str | None) -> bytes:
    if authorization is None:
        return b""
    return (authorization.partition(" ")[2].strip() or authorization).encode()


def _pieces(text: bytes) -> set[bytes]:
    return {text[start : start + _PIECE] for start in range(len(text) - _PIECE + 1)}
