"""Settings: where they come from, what is refused, and what is never shown."""

import os
import re
from pathlib import Path

import pytest

import riskrelay
from riskrelay.core.errors import Misconfigured
from riskrelay.settings import read_settings, unknown_variables


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("RISKRELAY_", "PGSSL", "PGHOST"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"port = = 3", "which is not TOML: "),
        (b"port = ", "which is not TOML: "),
        (b"[" * 100_000, "which is not TOML: "),
        (b"port = " + b"1" * 5_000, "which is not TOML: "),
        (b'public_url = "http://b\xfcr.example"', "which is not UTF-8 at byte 22"),
        ("port = 1".encode("utf-16"), "which is not UTF-8 at byte 0"),
        (b"prot = 3", "prot (did you mean port?)"),
        (b"PORT = 3", "PORT (did you mean port?)"),
        (b"riskrelay_port = 3", "riskrelay_port (did you mean port?)"),
        (b"qqqqqqqq = 3", "unknown settings: qqqqqqqq"),
        (b"[server]\nport = 1", "unknown settings: server"),
        (b'port = "abc"', "RISKRELAY_PORT: "),
        (b"port = [1]", "RISKRELAY_PORT: "),
    ],
)
def test_a_toml_file_that_is_wrong_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    """The message names the file or the setting, and what is wrong."""
    file = tmp_path / "riskrelay.toml"
    file.write_bytes(content)
    monkeypatch.setenv("RISKRELAY_CONFIG", str(file))
    with pytest.raises(Misconfigured) as refused:
        read_settings()
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["missing.toml", ".", "a" * 300 + ".toml", "riskrelay.toml/below"])
def test_a_toml_path_that_leads_to_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The path is missing, a directory, too long, or below a file."""
    (tmp_path / "riskrelay.toml").touch()
    monkeypatch.setenv("RISKRELAY_CONFIG", str(tmp_path / name))
    with pytest.raises(Misconfigured, match="RISKRELAY_CONFIG names"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "x", "must be a whole number from 0 to 65,535"),
        ("PORT", "65536", "must be a whole number from 0 to 65,535"),
        ("PORT", "1.5", "must be a whole number from 0 to 65,535"),
        ("METRICS_PORT", "0", "must be a whole number from 1 to 65,535"),
        ("RATE_LIMIT", "-1", "must be a whole number from 0 to 100,000,000"),
        ("RATE_LIMIT", "9" * 5_000, "must be a whole number from 0 to 100,000,000"),
        ("ALLOW_HTTP_TARGETS", "maybe", "must be true or false"),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.1/8", "must be networks such as 10.0.0.0/8 or 2001:db8::/32, which"),
        ("TRUSTED_PROXIES", "proxy", "must be networks such as 10.0.0.0/8 or 2001:db8::/32, which proxy is not"),
        ("PUBLIC_URL", "http://[::1", "must be a URL with a valid host and port"),
        ("PUBLIC_URL", "http://a:99999", "must be a URL with a valid host and port"),
        ("PUBLIC_URL", "risk.example.com", "must be an absolute http or https URL without a query, such as "),
        ("DATABASE_URL", "postgresql://[x/db", "must be a URL with a valid host and port"),
        ("DATABASE_URL", "mysql://x/db", "must start with sqlite:/// or postgresql://"),
        ("EGRESS_PROXY", "http://h:x", "must be a URL with a valid host and port"),
        ("SMTP_URL", "smtp://h:x", "must be a URL with a valid host and port"),
    ],
)
def test_a_wrong_value_is_answered_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """One sentence for each setting, which begins with its name; none of a library."""
    monkeypatch.setenv(f"RISKRELAY_{name}", value)
    with pytest.raises(Misconfigured) as refused:
        read_settings()
    assert str(refused.value).startswith(f"RISKRELAY_{name}: {said}")
    assert str(refused.value).count("RISKRELAY_") == 1


def test_a_list_of_networks_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """White space and empty parts are skipped, and IPv4 and IPv6 may be mixed."""
    monkeypatch.setenv("RISKRELAY_TRUSTED_PROXIES", " 10.0.0.0/8, 2001:db8::/32,,192.0.2.1")
    assert [str(one) for one in read_settings().trusted_proxies] == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"]


def test_a_byte_order_mark_before_toml_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors of Windows write one."""
    file = tmp_path / "riskrelay.toml"
    file.write_bytes(b"\xef\xbb\xbfport = 1234")
    monkeypatch.setenv("RISKRELAY_CONFIG", str(file))
    assert read_settings().port == 1234


def test_secrets_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files' surrounding white space is not part of the secrets; an empty variable counts as unset."""
    (tmp_path / "key").write_text("  abc,def\n")
    (tmp_path / "url").write_text("postgresql://u:p@127.0.0.1/db\n")
    monkeypatch.setenv("RISKRELAY_MASTER_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("RISKRELAY_MASTER_KEY", "")
    monkeypatch.setenv("RISKRELAY_DATABASE_URL_FILE", str(tmp_path / "url"))
    settings = read_settings()
    assert (settings.master_key, settings.database_url) == ("abc,def", "postgresql://u:p@127.0.0.1/db")
    assert read_settings(database_url="sqlite:///other.db").database_url == "sqlite:///other.db"


@pytest.mark.parametrize("name", ["MASTER_KEY", "DATABASE_URL"])
@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not a text file")],
)
def test_a_secret_file_that_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, said: str
) -> None:
    """The message names the variable and the file."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv(f"RISKRELAY_{name}_FILE", str(tmp_path / "secret"))
    with pytest.raises(Misconfigured, match=f"RISKRELAY_{name}_FILE: .*{said}"):
        read_settings()


@pytest.mark.parametrize(("name", "value"), [("MASTER_KEY", "abc"), ("DATABASE_URL", "sqlite:///a.db")])
def test_a_secret_given_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Which of the two counts would be a guess."""
    (tmp_path / "secret").write_text(value)
    monkeypatch.setenv(f"RISKRELAY_{name}_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv(f"RISKRELAY_{name}", value)
    with pytest.raises(Misconfigured, match=f"set RISKRELAY_{name} or RISKRELAY_{name}_FILE, not both"):
        read_settings()


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_url": "smtp://mail.example.com"},
        {"smtp_from": "riskrelay@example.com"},
        {"smtp_url": "http://user:hunter2@mail.example.com", "smtp_from": "riskrelay@example.com"},
        {"smtp_url": "smtp://user:hunter2@relay?starttls=no", "smtp_from": "riskrelay@example.com"},
        {"smtp_url": "smtps://mail.example.com", "smtp_from": "Ops <ops@example.com>"},
    ],
)
def test_a_mail_server_needs_a_valid_url_and_a_sender(given: dict[str, str]) -> None:
    """The refusal names the setting, and never the password."""
    with pytest.raises(Misconfigured, match=r"RISKRELAY_SMTP_") as refused:
        read_settings(**given)
    assert "hunter2" not in str(refused.value)


def test_the_mail_server_is_a_secret_and_its_sender_is_not() -> None:
    """An empty variable is as good as unset."""
    settings = read_settings(smtp_url="smtp://user:hunter2@mail.example.com", smtp_from="riskrelay@example.com")
    assert "hunter2" not in f"{settings!r} {settings.public}"
    assert settings.public["smtp_from"] == "riskrelay@example.com"
    assert read_settings().as_running(settings.public).smtp_from is None
    assert not read_settings(smtp_url="", smtp_from="").smtp_url


@pytest.mark.parametrize(
    ("url", "is_named"),
    [
        ("smtp://relay.example.com:25?starttls=no", True),
        ("smtp://127.0.0.1:25?starttls=no", False),
        ("smtp://relay.example.com", False),
    ],
)
def test_a_mail_server_without_tls_over_a_network_loosens_a_default(url: str, is_named: bool) -> None:
    """Only the host is named."""
    settings = read_settings(smtp_url=url, smtp_from="riskrelay@example.com")
    named = [check.said for check in settings.loosened if "SMTP_URL" in check.said]
    expected = "RISKRELAY_SMTP_URL: notifications are sent to the mail server without TLS: relay.example.com."
    assert named == ([expected] if is_named else [])


def test_no_secret_is_shown() -> None:
    """Neither as text of the settings nor in the message about a wrong one, nor in what loosens a default."""
    settings = read_settings(
        database_url="postgresql://user:canary1@db.example/x",
        master_key="canary2",
        egress_proxy="http://user:canary3@proxy.example:3128",
    )
    with pytest.raises(Misconfigured) as refused:
        read_settings(database_url="mysql://user:canary4@db.example/x", egress_proxy="socks://user:canary5@x")
    texts = [repr(settings), str(settings), f"{settings.loosened}", str(refused.value), str(refused.value.__cause__)]
    assert [text for text in texts if "canary" in text] == []


@pytest.mark.parametrize(
    ("variable", "suggested"),
    [
        ("RISKRELAY_PROT", "RISKRELAY_PORT"),
        ("RISKRELAY_DATABASEURL", "RISKRELAY_DATABASE_URL"),
        ("RISKRELAY_MASTERKEY_FILE", "RISKRELAY_MASTER_KEY_FILE"),
        ("riskrelay_ratelimit", "RISKRELAY_RATE_LIMIT"),
        ("RISKRELAY_TOKN", "RISKRELAY_TOKEN"),
    ],
)
def test_a_variable_that_nothing_reads_is_reported_with_the_closest_name(variable: str, suggested: str) -> None:
    """Whatever is neither a setting nor read by a command."""
    (check,) = unknown_variables([variable, "PATH", "RISKRELAYER", "RISKRELAY_PORT", "riskrelay_port"])
    assert variable in check.said
    assert f"did you mean {suggested}?" in check.said


def test_every_variable_that_the_program_reads_is_known() -> None:
    """Settings, options of commands, and every variable that a text of the sources names."""
    sources = Path(riskrelay.__file__).parent
    names = re.compile(r"RISKRELAY_[A-Z][A-Z_]*[A-Z](?![A-Z_])")
    named = {name for file in sources.rglob("*.py") for name in names.findall(file.read_text())}
    assert [check.said for check in unknown_variables(named)] == []


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("sqlite:///a.db", None),
        ("postgresql://u:p@db.example/x", "db.example"),
        ("postgresql://u:p@db.example:5432/x?sslmode=require", "db.example:5432"),
        ("postgresql://db.example/x?sslmode=verify-ca", "db.example"),
        ("postgresql://db.example/x?sslmode=prefer", "db.example"),
        ("postgresql://db.example/x?sslmode=verify-full", None),
        ("postgresql://db.example/x?sslmode=verify-full&sslmode=disable", "db.example"),
        ("postgresql://a.example,127.0.0.1:5433,10.0.0.1/x", "a.example, 10.0.0.1"),
        ("postgresql:///x?host=/var/run/postgresql", None),
        ("postgresql:///x?host=10.1.2.3", "10.1.2.3"),
        ("postgresql://u@%2Fvar%2Frun/x", None),
        ("postgresql:///x", None),
        ("postgresql://localhost/x", None),
        ("postgresql://LOCALHOST.:5432/x", None),
        ("postgresql://127.8.9.1:5432/x", None),
        ("postgresql://[::1]:5432/x", None),
        ("postgresql://[fd00::1]:5432/x", "[fd00::1]:5432"),
    ],
)
def test_postgresql_without_verified_tls_over_a_network_loosens_a_default(url: str, hosts: str | None) -> None:
    """A socket, a loopback address and sslmode=verify-full are fine; the password is not in the warning."""
    found = [check.said for check in read_settings(database_url=url).loosened if "DATABASE_URL" in check.said]
    expected = [] if hosts is None else [f"connection to PostgreSQL is not protected by verified TLS: {hosts}."]
    assert [said.partition(": the ")[2] for said in found] == expected


def test_libpqs_own_variables_stand_in_for_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOST and PGSSLMODE count where the URL says nothing."""
    monkeypatch.setenv("PGHOST", "db.example")
    assert any("db.example" in check.said for check in read_settings(database_url="postgresql:///x").loosened)
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert not any("db.example" in check.said for check in read_settings(database_url="postgresql:///x").loosened)
