"""Requests and their responses, without sending them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from riskrelay.client.errors import ApiError, Fault, UnexpectedAnswer, error_of

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"


class Nothing(msgspec.Struct, frozen=True):
    """The result of an operation that answers nothing."""


class ResultInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page of a list is.

    Attributes:
        cursor: of the next page; None: this is the last one.
        total_pages: of lists with page numbers.
    """

    cursor: str | None = None
    total_pages: int = 0


class Answer(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """The envelope of a successful response. Rule: contract 1 and 2."""

    success: bool
    result: T
    result_info: ResultInfo = ResultInfo()


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope of a refusal. Rule: contract 3."""

    success: bool
    errors: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """One operation of the account API.

    Attributes:
        operation: its operationId in the OpenAPI document.
        path: below the account's prefix, percent-encoded.
        answer: the type of its result.
        is_repeatable: whether sending it twice has the effect of sending it once.
        gone: the result of a repeated deletion that finds nothing, because the first one succeeded; None: it is no
            deletion.
    """

    operation: str
    method: str
    path: str
    answer: type[T]
    body: bytes | None = None
    content_type: str = JSON
    is_repeatable: bool = True
    gone: T | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What the transport received; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def path(*parts: str, query: Mapping[str, str | int | None] | None = None) -> str:
    """Join *parts* to a path, percent-encoded; members of *query* that are None are left out.

    >>> path("integrations", "a/b", "deliveries", query={"state": "dead", "cursor": None})
    '/integrations/a%2Fb/deliveries?state=dead'
    """
    joined = "".join(f"/{quote(part, safe='')}" for part in parts)
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"{joined}?{urlencode(given)}" if given else joined


def body(value: Any) -> bytes:
    """Encode *value* as JSON."""
    return msgspec.json.encode(value)


def given(**members: Any) -> bytes:
    """Encode the members that are not None as a JSON object.

    >>> given(name="Okta", active=None)
    b'{"name":"Okta"}'
    """
    return body({name: value for name, value in members.items() if value is not None})


def answer_of(request: Request[T], response: Response) -> Answer[T]:
    """Read the response to *request*.

    Raises:
        ApiError: the service refused the request.
        UnexpectedAnswer: the response is not from the account API, or lacks a member.
    """
    if response.status != 200:
        raise _refusal(response)
    try:
        kind: Any = request.answer
        answer: Answer[T] = _decoder(kind).decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnexpectedAnswer(
            f"{request.operation}: the response is not of this version's account API: {error}"
        ) from None
    return answer


@lru_cache(maxsize=128)  # there are about 60 operations
def _decoder(result: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(Answer[result])


def _refusal(response: Response) -> ApiError:
    wait = response.headers.get("retry-after", "")
    seconds = float(wait) if wait.isascii() and wait.isdecimal() else None
    try:
        faults = msgspec.json.decode(response.body, type=_Failure).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        faults = ()  # a proxy's page
    return error_of(response.status, faults, seconds)
