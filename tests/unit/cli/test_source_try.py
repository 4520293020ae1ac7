"""`riskrelay source try` says what events would become, without a service."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from riskrelay.cli import main

_LOGIN = {
    "type": "login",
    "result": "success",
    "time": "2026-11-29T10:00:00Z",
    "user": {"email": "kai@example.com"},
    "ip": "198.51.100.7",
}
_MAPPING = """
kind: my_vpn
rules:
  - when: event = "connect"
    gives: login
    user: mail
    time: at
"""


def _run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["riskrelay", "source", "try", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


def _file(path: Path, *events: Any) -> Path:
    path.write_text("\n".join(map(json.dumps, events)))
    return path


def test_events_of_a_shipped_kind_are_shown_with_their_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [{**_LOGIN, "result": "failure"}, {**_LOGIN, "time": None}, {**_LOGIN, "time": "soon"}]
    file = _file(tmp_path / "events", _LOGIN, *others)
    code, output, _ = _run(monkeypatch, capsys, "--kind", "custom", file)
    assert code == 1
    assert "2026-11-29 10:00:00Z, 198.51.100.7" in output
    assert "The login did not succeed." in output
    assert "no time: the time of arrival is used" in output
    assert "bad_time" in output
    assert "1 ignored, 2 login, 1 refused" in output


def test_json_has_the_signals_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, _ = _run(monkeypatch, capsys, "--kind", "custom", "--json", _file(tmp_path / "events", _LOGIN))
    answer = json.loads(output)
    assert code == 0
    assert answer["counts"] == {"login": 1}
    assert answer["events"][0]["identities"] == ["kai@example.com"]


def test_a_mapping_of_ones_own_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(_MAPPING)
    body = tmp_path / "events.gz"
    body.write_bytes(
        gzip.compress(json.dumps([{"event": "connect", "mail": "kai@example.com", "at": 1795946400}]).encode())
    )
    code, output, _ = _run(monkeypatch, capsys, "--mapping", mapping, body)
    assert code == 0
    assert "kai@example.com" in output


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        (_MAPPING.replace("at\n", "'(at'\n"), "rules[0].time: is not JSONata: S0203"),
        (_MAPPING.replace("gives: login", "gives: logon"), "rules[0].gives: must be one of"),
        (_MAPPING.replace("kind:", "kind"), "is not YAML"),
        ("[]", "must be an object"),
    ],
)
def test_an_invalid_mapping_is_explained(
    mapping: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(mapping)
    code, _, error = _run(monkeypatch, capsys, "--mapping", path, _file(tmp_path / "events", _LOGIN))
    assert code == 1
    assert problem in error.replace("\n", " ")


def test_a_kind_or_a_mapping_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _file(tmp_path / "events", _LOGIN)
    assert "either --kind or --mapping" in _run(monkeypatch, capsys, file)[2]
    assert "there is no kind nope" in _run(monkeypatch, capsys, "--kind", "nope", file)[2]


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"{", b"[[[[", b"\x1f\x8b\x00", b"not json"])
def test_a_file_that_cannot_be_read_ends_without_a_traceback(
    body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events"
    file.write_bytes(body)
    assert _run(monkeypatch, capsys, "--kind", "ocsf", file)[0] == 1
