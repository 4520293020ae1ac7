"""The risk-scoring resources of the official Python SDK as a table, and the ways in which its users call a method."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, get_args, get_type_hints

from cloudflare import BaseModel
from cloudflare._base_client import AsyncPaginator
from pydantic import TypeAdapter

from support.sdk_world import TENANT, USER, World

SCORING = "zero_trust.risk_scoring"
NOT_OF_THE_API = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
"""Parameters that the SDK adds to every method."""

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the SDK.

    Attributes:
        path: where it hangs on the client, dotted.
        required: the arguments that it must be given.
        expected: members of the result, as JSON, when it is given only those.
        optional: the arguments that it takes besides, with a value that the result then has.
    """

    path: str
    required: Callable[[World], Arguments]
    expected: Callable[[World], Mapping[str, Any]]
    optional: Arguments = field(default_factory=dict)

    @property
    def verb(self) -> str:
        return self.path.rpartition(".")[2]

    def owner(self, client: Any) -> Any:
        """The resource of *client* that has this method."""
        return reduce(getattr, self.path.split(".")[:-1], client)

    def arguments(self, world: World) -> Arguments:
        """The required arguments; every method of an account takes its id."""
        account = {"account_id": world.account_id} if self.path.startswith(SCORING) else {}
        return {**account, **self.required(world)}


CHANGE = {"high_dlp": {"enabled": True, "risk_level": "medium"}}

METHODS = [
    Method(
        f"{SCORING}.get",
        lambda world: {"user_id": world.user_id},
        lambda world: {**USER, "risk_level": "high", "last_reset_time": None},
    ),
    Method(f"{SCORING}.reset", lambda world: {"user_id": world.user_id}, lambda world: {}),
    Method(f"{SCORING}.behaviours.get", lambda world: {}, lambda world: {"behaviors": world.behaviors}),
    Method(
        f"{SCORING}.behaviours.update",
        lambda world: {"behaviors": CHANGE},
        lambda world: {"behaviors": world.behaviors_with("high_dlp", "medium")},
    ),
    Method(f"{SCORING}.summary.get", lambda world: {}, lambda world: {"users": [world.summary_row]}),
    Method(
        f"{SCORING}.integrations.create",
        lambda world: {"integration_type": "Okta", "tenant_url": TENANT},
        lambda world: {"account_tag": world.account_id, "active": True, "tenant_url": TENANT},
        {"reference_id": "reference_id"},
    ),
    Method(
        f"{SCORING}.integrations.update",
        lambda world: {"integration_id": world.integration["id"], "active": False, "tenant_url": TENANT},
        lambda world: {**world.integration, "active": False, "tenant_url": TENANT},
        {"reference_id": "reference_id"},
    ),
    Method(f"{SCORING}.integrations.list", lambda world: {}, lambda world: {"result": [world.integration]}),
    Method(
        f"{SCORING}.integrations.delete",
        lambda world: {"integration_id": world.integration["id"]},
        lambda world: {},
    ),
    Method(
        f"{SCORING}.integrations.get",
        lambda world: {"integration_id": world.integration["id"]},
        lambda world: world.integration,
    ),
    Method(
        f"{SCORING}.integrations.references.get",
        lambda world: {"reference_id": world.integration["reference_id"]},
        lambda world: world.integration,
    ),
    Method("user.tokens.verify", lambda world: {}, lambda world: {"status": "active"}),
]


def methods_of(resource: type, path: str) -> Iterator[str]:
    """Every public method of a resource of the SDK and of those below it, dotted."""
    for name, member in vars(resource).items():
        if name.startswith(("_", "with_")):
            continue
        if inspect.isfunction(member):
            yield f"{path}.{name}"
        else:
            yield from methods_of(get_type_hints(member.func)["return"], f"{path}.{name}")


def parameters_of(method: Callable[..., Any]) -> set[str]:
    """What a method of the SDK takes for the API."""
    return set(inspect.signature(method).parameters) - NOT_OF_THE_API


def promised(method: Callable[..., Any]) -> Any:
    """The type that a method of the SDK says it answers, without the None that our service never answers."""
    answered = get_type_hints(method)["return"]
    if getattr(answered, "__origin__", None) is AsyncPaginator:
        return get_args(answered)[1]
    return next((part for part in get_args(answered) if part is not type(None)), answered)


def check_type(annotation: Any, value: Any) -> None:
    """Check that *value* is of the type that it is annotated with, all the way down, nothing converted.

    The SDK itself parses without a check. Raises: pydantic.ValidationError.
    """
    plain = value.model_dump(warnings=False) if isinstance(value, BaseModel) else value
    TypeAdapter(annotation).validate_python(plain, strict=True)


def as_json(value: Any) -> Any:
    """A parsed answer as the JSON it was."""
    return value.to_dict(mode="json") if isinstance(value, BaseModel) else value


async def settled(value: Any) -> Any:
    """The value itself, or what it comes to: the same call is made with the sync and the async client."""
    return await value if inspect.isawaitable(value) else value


Style = Callable[[Any, str, Arguments], Awaitable[Any]]


async def plain(owner: Any, verb: str, arguments: Arguments) -> Any:
    """`client.….get(…)`."""
    return await settled(getattr(owner, verb)(**arguments))


async def raw_response(owner: Any, verb: str, arguments: Arguments) -> Any:
    """`client.….with_raw_response.get(…)`, then `parse()`."""
    response = await settled(getattr(owner.with_raw_response, verb)(**arguments))
    assert response.is_closed
    _check_response(response)
    return await settled(response.parse())


async def streaming_response(owner: Any, verb: str, arguments: Arguments) -> Any:
    """`with client.….with_streaming_response.get(…) as response`, then `parse()`."""
    async with AsyncExitStack() as stack:
        call = getattr(owner.with_streaming_response, verb)(**arguments)
        opened = stack.enter_async_context(call) if hasattr(call, "__aenter__") else stack.enter_context(call)
        response = await settled(opened)
        assert not response.is_closed
        _check_response(response)
        parsed = await settled(response.parse())
    assert response.is_closed
    return parsed


STYLES: list[Style] = [plain, raw_response, streaming_response]


def _check_response(response: Any) -> None:
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.http_request.headers["x-stainless-lang"] == "python"
