"""`riskrelay source`, as a user runs it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.service import Service

MAPPING = """
kind: custom
rules:
  - when: what = "dlp"
    gives: finding
    behavior: high_dlp
    user: who
    time: at
    id: key
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service whose account has every behavior enabled."""
    service = Service(tmp_path_factory.mktemp("service"))
    service.start()
    service.enable_behaviors()
    yield service
    service.stop()


def run(service: Service, *arguments: str) -> Any:
    return json.loads(service.command("source", *arguments, "--json").stdout)


def test_the_life_of_a_source(service: Service, tmp_path: Path) -> None:
    """A source is created with a mapping, gets a file of events twice, is changed, replayed and deleted."""
    mapping, events = tmp_path / "mapping.yaml", tmp_path / "events.ndjson"
    mapping.write_text(MAPPING)
    now = datetime.now(UTC).isoformat()
    lines = [{"what": what, "who": "kai@example.com", "at": now, "key": what} for what in ("dlp", "new")]
    events.write_text("\n".join(map(json.dumps, lines)) + "\nno JSON\n")
    created = run(service, "create", "custom", "--name", "Tests", "--mapping", str(mapping), "--silent-after", "60")
    source = created["id"]
    assert created["silent_after_seconds"] == 3_600
    first, again = (run(service, "send", source, str(events)) for _ in range(2))
    assert (first["findings"], first["ignored"], first["refused"]) == (1, {"not_mapped": 1}, {"not_json": 1})
    assert (again["findings"], again["duplicates"]) == (0, 1)
    assert [row["state"] for row in run(service, "list") if row["id"] == source] == ["receiving"]
    assert "No rule of the mapping applies" in service.command("source", "show", source).stdout
    printed = service.command("source", "mapping", source).stdout
    mapping.write_text(printed.replace('what = "dlp"', 'what in ["dlp", "new"]'))
    run(service, "update", source, "--mapping", str(mapping))
    assert {row["reason"] for row in run(service, "samples", source)} == {"not_mapped"}
    assert run(service, "replay", source)["findings"] == 1
    assert run(service, "rotate", source)["secret"] != created["credential"]["secret"]
    service.command("source", "delete", source)
    assert source not in [row["id"] for row in run(service, "list")]


def test_a_new_source_says_where_to_send_and_what_to_enable(service: Service) -> None:
    """The address, the header and the next step are printed."""
    printed = service.command("source", "create", "okta_system_log").stdout
    assert "/events" in printed
    assert "Authorization: Bearer rrk_" in printed
    assert "imp_travel" in printed


def test_mistakes_are_said_in_words(service: Service, tmp_path: Path) -> None:
    """An unknown kind, a file that is no mapping and two choices at once end with a sentence."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("- 1")
    for arguments, words in (
        (("create", "okta_systemlog"), "Did you mean okta_system_log?"),
        (("create", "custom", "--mapping", str(wrong)), "is not a mapping"),
        (("show", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"), "check the id"),
        (
            ("update", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e", "--shipped", "--mapping", str(wrong)),
            "either --mapping or --shipped",
        ),
    ):
        ended = service.command("source", *arguments, check=False)
        assert ended.returncode == 1
        assert words in ended.stderr
