"""Examples of one operation for a shell and for four languages."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat
from typing import Any
from urllib.parse import urlencode

from riskrelay.web.documentation.client_examples import client_example

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Example:
    """The code of one operation in one language.

    Attributes:
        language: for the highlighter.
        label: for people.
    """

    language: str
    label: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose parameters are filled with the examples of the contract.

    Attributes:
        parameters: the values of the parameters of the path.
        variable: the environment variable with the token; None: no credentials.
        media_type: of the body; empty: there is none.
        body: the body as the contract shows it.
    """

    operation_id: str
    method: str
    path: str
    parameters: Mapping[str, str]
    variable: str | None
    media_type: str
    body: str

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """The fields besides Authorization."""
        return [("Content-Type", self.media_type)] if self.media_type else []

    @property
    def sent(self) -> str:
        """The body as it is sent."""
        return urlencode(json.loads(self.body)) if self.media_type == _FORM else self.body


def examples_of(call: Call) -> list[Example]:
    """Return the call in each language; in Terraform if the provider has a resource for it."""
    found = [
        Example("sh", "curl", _curl(call)),
        Example("python", "Python", _python(call)),
        Example("typescript", "TypeScript", _typescript(call)),
        Example("go", "Go", _go(call)),
    ]
    terraform = _terraform(call)
    return [*found, Example("terraform", "Terraform", terraform)] if terraform else found


def _curl(call: Call) -> str:
    """Return a command for a POSIX shell. It uses the same variables as the CLI."""
    lines = [f'curl -X {call.method} "$RISKRELAY_URL{call.path}"']
    if call.variable:
        lines.append(f'-H "Authorization: Bearer ${call.variable}"')
    lines += [f"-H '{name}: {value}'" for name, value in call.headers]
    if call.media_type == _FORM:
        lines += [f"--data-urlencode '{name}={value}'" for name, value in json.loads(call.body).items()]
    elif call.body:
        lines.append("--data-binary '" + call.body.replace("'", "'\\''") + "'")
    return " \\\n  ".join(lines)


def _python(call: Call) -> str:
    """Return a program that uses `riskrelay.client`, or httpx if the client has no method for the operation."""
    return client_example(call.operation_id, call.parameters) or _httpx(call)


def _httpx(call: Call) -> str:
    headers = [f'"{name}": "{value}"' for name, value in call.headers if call.media_type not in (_FORM, _JSON)]
    if call.variable:
        headers.insert(0, f'"Authorization": "Bearer " + os.environ["{call.variable}"]')
    lines = [
        "import os\n",
        "import httpx\n",
        f"response = httpx.{call.method.lower()}(",
        f'    os.environ["RISKRELAY_URL"] + "{call.path}",',
        *([f"    headers={{{', '.join(headers)}}},"] if headers else []),
        *_python_body(call),
        ")",
        "response.raise_for_status()",
        "print(response.text)",
    ]
    return "\n".join(lines)


def _python_body(call: Call) -> Iterator[str]:
    if not call.body:
        return
    name = {_JSON: "json", _FORM: "data"}.get(call.media_type, "content")
    value = pformat(json.loads(call.body), width=88, sort_dicts=False) if name != "content" else repr(call.body)
    yield f"    {name}={value},".replace("\n", "\n    " + " " * len(f"{name}="))


def _typescript(call: Call) -> str:
    headers = [*(f'"{name}": "{value}"' for name, value in call.headers)]
    if call.variable:
        headers.insert(0, f"Authorization: `Bearer ${{process.env.{call.variable}}}`")
    lines = [
        f"const response = await fetch(`${{process.env.RISKRELAY_URL}}{call.path}`, {{",
        f'  method: "{call.method}",',
    ]
    if headers:
        lines.append(f"  headers: {{ {', '.join(headers)} }},")
    if call.media_type == _FORM:
        lines.append(f"  body: new URLSearchParams({call.body}),")
    elif call.media_type == _JSON:
        lines.append(f"  body: JSON.stringify({call.body.replace(chr(10), chr(10) + '  ')}),")
    elif call.body:
        lines.append(f"  body: {json.dumps(call.body, ensure_ascii=False)},")
    return "\n".join([*lines, "});", "console.log(response.status, await response.text());"])


def _go(call: Call) -> str:
    body = f"strings.NewReader({_go_text(call.sent)})" if call.body else "nil"
    packages = ["fmt", "io", "log", "net/http", "os", *(["strings"] if call.body else [])]
    fields = [f'\trequest.Header.Set("{name}", "{value}")' for name, value in call.headers]
    if call.variable:
        fields.insert(0, f'\trequest.Header.Set("Authorization", "Bearer "+os.Getenv("{call.variable}"))')
    lines = [
        "package main\n",
        "import (",
        *(f'\t"{package}"' for package in packages),
        ")\n",
        "func main() {",
        f'\turl := os.Getenv("RISKRELAY_URL") + "{call.path}"',
        f'\trequest, err := http.NewRequest("{call.method}", url, {body})',
        "\tif err != nil {\n\t\tlog.Fatal(err)\n\t}",
        *fields,
        "\tresponse, err := http.DefaultClient.Do(request)",
        "\tif err != nil {\n\t\tlog.Fatal(err)\n\t}",
        "\tdefer response.Body.Close()",
        "\ttext, _ := io.ReadAll(response.Body)",
        "\tfmt.Println(response.Status, string(text))",
        "}",
    ]
    return "\n".join(lines)


def _go_text(text: str) -> str:
    return f"`{text}`" if "`" not in text else json.dumps(text, ensure_ascii=False)


_TERRAFORM = {
    "createIntegration": ("cloudflare_zero_trust_risk_scoring_integration", "okta"),
    "updateIntegration": ("cloudflare_zero_trust_risk_scoring_integration", "okta"),
    "updateBehaviors": ("cloudflare_zero_trust_risk_behavior", "behaviors"),
}
"""The operations that the provider's resources use, with a name for the resource."""


def _terraform(call: Call) -> str | None:
    """Return a resource of the provider whose base URL is this service's: see the page about the API."""
    if call.operation_id not in _TERRAFORM:
        return None
    resource, name = _TERRAFORM[call.operation_id]
    account = re.search(r"/accounts/([^/]+)/", call.path)
    values = {"account_id": account[1] if account else "", **json.loads(call.body)}
    body = "\n".join(_hcl({key: value for key, value in values.items() if value is not None}, "  "))
    return f'resource "{resource}" "{name}" {{\n{body}\n}}'


def _hcl(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    width = max(map(len, values), default=0)
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name} = {{"
            yield from _hcl(value, indent + "  ")
            yield f"{indent}}}"
        else:
            yield f"{indent}{name:{width}} = {json.dumps(value)}"
