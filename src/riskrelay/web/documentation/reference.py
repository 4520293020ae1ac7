"""Prepare the operations of specs/openapi.yaml for the pages of the API reference."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from riskrelay.web.documentation.examples import Call, Example, examples_of
from riskrelay.web.documentation.library import BASE

METHODS = ("get", "post", "put", "patch", "delete")
_MAX_NESTING = 5  # of members shown; deeper ones are described by their parents

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One row of a table of parameters or members."""

    name: str
    kind: str
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """A body: its members, and examples.

    Attributes:
        examples: pairs of title and text.
    """

    media_type: str
    members: list[Member]
    examples: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The response of an operation with one status."""

    status: str
    text: str
    headers: list[Member]
    contents: list[Content]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A parameter that a reader can fill in to try an operation.

    Attributes:
        place: `path`, `query` or `header`.
        value: what the field shows first; of an optional parameter nothing.
    """

    name: str
    place: str
    value: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, prepared for the page.

    Attributes:
        access: the required permission, in words.
        call: the request of the examples.
        inputs: the parameters of the form that tries the operation.
    """

    operation_id: str
    method: str
    path: str
    summary: str
    text: str
    access: str
    parameters: list[Member]
    bodies: list[Content]
    answers: list[Answer]
    call: Call
    examples: list[Example]
    inputs: list[Input]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The operations of one tag, on one page."""

    name: str
    text: str
    operations: Sequence[Operation]

    @property
    def title(self) -> str:
        """The name as a title."""
        return self.name.capitalize()


def group_url(name: str) -> str:
    """Return the path of a group's page."""
    return f"{BASE}/api/{name}"


class Reference:
    """Lays out one OpenAPI document."""

    def __init__(self, document: Node) -> None:
        self._document = document

    def groups(self) -> Iterator[Group]:
        """Return the operations by group, in the order of the document."""
        for tag in self._document["tags"]:
            operations = list(self._operations(tag["name"]))
            yield Group(name=tag["name"], text=tag["description"], operations=operations)

    def _operations(self, tag: str) -> Iterator[Operation]:
        for path, item in self._document["paths"].items():
            for method in METHODS:
                if method in item and tag in item[method]["tags"]:
                    yield self._operation(path, method, item)

    def _operation(self, path: str, method: str, item: Node) -> Operation:
        operation = item[method]
        parameters = [self._resolved(p) for p in (*item.get("parameters", ()), *operation.get("parameters", ()))]
        body = self._resolved(operation.get("requestBody", {}))
        bodies = self._contents(body.get("content", {}))
        values = {one["name"]: str(one["example"]) for one in parameters if one["in"] == "path"}
        call = _call(operation, _Route(method.upper(), path, values), bodies[0] if bodies else None)
        return Operation(
            operation_id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            text=operation["description"],
            access=_access(operation),
            parameters=[self._parameter(parameter) for parameter in parameters],
            bodies=bodies,
            answers=[self._answer(status, self._resolved(answer)) for status, answer in operation["responses"].items()],
            call=call,
            examples=examples_of(call),
            inputs=[_input(parameter) for parameter in parameters],
        )

    def _parameter(self, parameter: Node) -> Member:
        schema = self._resolved(parameter["schema"])
        default = f" Default: {schema['default']}." if "default" in schema else ""
        kind = f"{parameter['in']}, {self._kind(schema)}"
        return Member(
            name=parameter["name"],
            kind=kind,
            required=bool(parameter.get("required")),
            text=parameter.get("description", "") + default,
        )

    def _answer(self, status: str, answer: Node) -> Answer:
        headers = [
            Member(
                name=name,
                kind=self._kind(self._resolved(header["schema"])),
                required=False,
                text=header.get("description", ""),
            )
            for name, header in ((name, self._resolved(found)) for name, found in answer.get("headers", {}).items())
        ]
        return Answer(
            status=status,
            text=answer["description"],
            headers=headers,
            contents=self._contents(answer.get("content", {})),
        )

    def _contents(self, contents: Node) -> list[Content]:
        return [
            Content(media_type, list(self.members(content["schema"])), self._examples(content))
            for media_type, content in contents.items()
        ]

    def _examples(self, content: Node) -> list[tuple[str, str]]:
        single = [("", content["example"])] if "example" in content else []
        named = [self._resolved(example) for example in content.get("examples", {}).values()]
        return [
            (title, value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False))
            for title, value in (*single, *((example.get("summary", ""), example["value"]) for example in named))
        ]

    def members(self, schema: Node, within: str = "", nesting: int = 0) -> Iterator[Member]:
        """Return the members of an object, each followed by its nested members with their paths."""
        merged = self._merged(schema)
        if "items" in merged:
            yield from self.members(merged["items"], f"{within}[]", nesting)
            return
        required = merged.get("required", ())
        for name, member in merged.get("properties", {}).items():
            if member is False:
                continue
            shown = self._merged(member)
            place = f"{within}.{name}" if within else name
            yield Member(
                name=place, kind=self._kind(shown), required=name in required, text=shown.get("description", "")
            )
            if nesting < _MAX_NESTING:
                yield from self.members(shown, place, nesting + 1)
        values = merged.get("additionalProperties")
        if isinstance(values, Mapping) and nesting < _MAX_NESTING:
            yield from self.members(values, f"{within}.*" if within else "*", nesting + 1)

    def _merged(self, schema: Any) -> dict[str, Any]:
        """Return a schema merged with its references and `allOf` parts, and with the first alternative that is not
        null."""
        found = self._resolved(schema) if isinstance(schema, Mapping) else {}
        merged: dict[str, Any] = {}
        for part in (*map(self._merged, found.get("allOf", ())), found):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", ()), *part.get("required", ())]
            merged = {**merged, **part, "properties": properties, "required": required}
        alternatives = [self._merged(option) for option in found.get("oneOf", ())]
        objects = [option for option in alternatives if option.get("type") != "null"]
        return (
            {**objects[0], **{k: v for k, v in merged.items() if v}, **_nullable(alternatives)} if objects else merged
        )

    def _kind(self, schema: Node) -> str:
        """Return the type of a value, in words."""
        if "const" in schema:
            return json.dumps(schema["const"])
        found = schema.get("enum", schema.get("type", "any"))
        words = [*map(str, found if isinstance(found, list) else [found]), *(["null"] if "nullable" in schema else [])]
        kind = " | ".join(words)
        limits = [f"{word} {schema[key]:,}" for key, word in _LIMITS.items() if isinstance(schema.get(key), int)]
        return ", ".join([kind, *([schema["format"]] if "format" in schema else []), *limits])

    def _resolved(self, node: Node) -> Node:
        while "$ref" in node:
            target: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node


_LIMITS = {"minimum": "from", "maximum": "to", "minLength": "at least", "maxLength": "at most", "maxItems": "at most"}


def _nullable(alternatives: list[dict[str, Any]]) -> dict[str, Any]:
    return {"nullable": True} if any(option.get("type") == "null" for option in alternatives) else {}


def _access(operation: Node) -> str:
    if operation.get("security") == []:
        return "no credentials"
    if "x-receiver-scope" in operation:
        return f"a receiver's token with the scope {operation['x-receiver-scope']}"
    scope = operation.get("x-required-scope")
    return f"a token with the scope {scope}" if scope else "a token"


def _input(parameter: Node) -> Input:
    required = bool(parameter.get("required"))
    value = str(parameter.get("example", "")) if required else ""
    return Input(name=parameter["name"], place=parameter["in"], value=value, required=required)


class _Route(NamedTuple):
    """A path with values for its parameters."""

    method: str
    path: str
    values: Mapping[str, str]


def _call(operation: Node, route: _Route, body: Content | None) -> Call:
    has_body = body is not None and body.examples
    return Call(
        operation_id=operation["operationId"],
        method=route.method,
        path=re.sub(r"{(\w+)}", lambda match: route.values[match[1]], route.path),
        parameters=route.values,
        variable=_variable(operation),
        media_type=body.media_type if body and has_body else "",
        body=body.examples[0][1] if body and has_body else "",
    )


def _variable(operation: Node) -> str | None:
    """Return the environment variable with the token that the operation requires."""
    if operation.get("security") == []:
        return None
    return "RECEIVER_TOKEN" if "x-receiver-scope" in operation else "RISKRELAY_TOKEN"
