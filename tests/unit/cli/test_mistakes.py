"""A user's mistake or a broken environment ends a command with one sentence and exit code 1, never a traceback."""

import os
import sys
from pathlib import Path

import pytest

from riskrelay.cli import main
from support.service import run_command


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("RISKRELAY_", "PG"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RISKRELAY_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("RISKRELAY_TOKEN", "token")


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that must fail says on standard error."""
    monkeypatch.setattr(sys, "argv", ["riskrelay", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:b@127.0.0.1:port/x",
        "postgresql://127.0.0.1:99999/x",
        "postgresql://127.0.0.1:1/x?sslmode=bogus",
        "postgresql://127.0.0.1:1/x?sslmode=verify-full&sslrootcert=/nope.pem",
        "postgresql://127.0.0.1:1,127.0.0.1:1/x",
        "postgresql://[::1/x",
        "postgresql://",
        "sqlite:///",
        "sqlite:////dev/null",
        "sqlite:////dev/null/x.db",
        f"sqlite:///{'x' * 300}.db",
        "mysql://x",
        "",
    ],
)
@pytest.mark.parametrize("command", ["migrate", "serve", "account list", "token list"])
def test_a_database_url_that_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, command: str
) -> None:
    """Whatever is wrong with it."""
    monkeypatch.setenv("RISKRELAY_DATABASE_URL", url)
    if command == "migrate" and url.startswith("postgresql://127"):
        monkeypatch.setenv("PGPORT", "many")
    said(monkeypatch, capsys, *command.split())


@pytest.mark.parametrize("command", ["serve", "account list", "token create default"])
def test_a_folder_without_an_installation(tmp_path: Path, command: str) -> None:
    """One sentence says where the database was looked for, and which command creates it. Nothing is created."""
    run = run_command(*command.split(), directory=tmp_path)
    explained = " ".join(run.stderr.split())
    assert run.returncode == 1
    assert explained.startswith(f"error: there is no database at {tmp_path}/riskrelay.db; run `riskrelay init`")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "riskrelay.db").touch(0o600)
    run = run_command(*command.split(), directory=tmp_path)
    assert (run.returncode, "the database is empty; run `riskrelay init`" in run.stderr) == (1, True)
    assert not (tmp_path / "riskrelay.db.key").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PUBLIC_URL", "http://h:99999"),
        ("PUBLIC_URL", "http://[::1"),
        ("PUBLIC_URL", "http://h:many"),
        ("EGRESS_PROXY", "http://h:99999"),
        ("EGRESS_PROXY", "http://[::1"),
        ("PORT", "99999999999999999999"),
        ("TRUSTED_PROXIES", "10.0.0.1/99"),
        ("MASTER_KEY", "\u2603"),
        ("TLS_CERT", "/nope.pem"),
        ("LOG_LEVEL", "loud"),
        ("CONFIG", "/nope.toml"),
    ],
)
def test_a_setting_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    """The message names the setting."""
    monkeypatch.setenv(f"RISKRELAY_{variable}", value)
    assert f"RISKRELAY_{variable}" in said(monkeypatch, capsys, "init")


@pytest.mark.parametrize(
    ("content", "progress"),
    [
        (b"{", None),
        (b"[1]", None),
        (b"\xff\xfe{\x00}\x00", None),
        (b"[" * 100_000, None),
        (b'{"id": "' + b"\xff" + b'"}', None),
        (b"{}", b"no JSON"),
        (b"{}", b'{"path": 1}'),
        (b"{}", b"\xff"),
    ],
)
def test_an_import_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    progress: bytes | None,
) -> None:
    """The line is named, or the file that says how far the import was."""
    Path("findings.ndjson").write_bytes(content)
    if progress is not None:
        Path("findings.ndjson.import-progress").write_bytes(progress)
    error = said(monkeypatch, capsys, "finding", "import", "findings.ndjson")
    assert ("line 1" if progress is None else "findings.ndjson.import-progress") in error


@pytest.mark.parametrize("value", ["\udcff", "a\udcffb"])
def test_arguments_that_are_not_unicode(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    """As bytes of another encoding arrive from a shell."""
    assert "UTF-8" in said(monkeypatch, capsys, "user", "show", value)
    assert "UTF-8" in said(monkeypatch, capsys, "finding", "send", "high_dlp", value)


def test_a_directory_for_temporary_files_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo cannot make its database."""
    monkeypatch.setattr("tempfile.tempdir", "/nope")
    assert "/nope" in said(monkeypatch, capsys, "demo")
