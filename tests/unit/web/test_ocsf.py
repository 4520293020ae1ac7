"""OCSF events as activity: what is read of each class, and what is ignored."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from riskrelay.core.errors import Invalid
from riskrelay.core.risk.activity import Activity, DlpHit, Login
from riskrelay.core.risk.findings import UserRef
from riskrelay.web.account_api.bodies import Reading
from riskrelay.web.account_api.ocsf import CLASSES

EXAMPLES = Path(__file__).parents[3] / "specs" / "ocsf"
AT = datetime(2026, 3, 17, 8, 14, 3, tzinfo=UTC)
KAI = UserRef("kai@example.com", "Kai Berg")
NAMELESS = UserRef("kai@example.com")

USED = {
    "authentication-logon": (KAI, Login(at=AT, latitude=48.8566, longitude=2.3522, application="Mail")),
    "authentication-logon-version-1.0": (
        NAMELESS,
        Login(at=AT + timedelta(minutes=90), latitude=40.7128, longitude=-74.006, application="vpn.example.com"),
    ),
    "authentication-logon-of-the-actor": (
        NAMELESS,
        Login(at=AT, latitude=48.8566, longitude=2.3522, application="Mail"),
    ),
    "data-security-finding": (KAI, DlpHit(AT, "Payment cards")),
    "data-security-finding-of-an-owner": (NAMELESS, DlpHit(AT, "pol-8")),
    "detection-finding-of-data-loss": (NAMELESS, DlpHit(AT, "Customer names")),
}


def event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return found


def read(document: dict[str, Any]) -> Activity | None:
    return CLASSES[document["class_uid"]](json.dumps(document).encode(), (7,), Reading())


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.json")))
def test_the_examples(name: str) -> None:
    """Each is read as what it tells, or ignored when it tells nothing of use: a failure, a logoff, no coordinates, no
    e-mail address, a closed finding, a detection of another kind."""
    activity = read(event(name))
    assert (activity and (activity.user, activity.seen)) == USED.get(name)


def test_the_events_uid_makes_a_repeat_harmless() -> None:
    """metadata.uid, for findings else finding_info.uid; apart by class; without one each event counts."""
    used = [read(event(name)) for name in USED]
    ids = [activity.activity_id for activity in used if activity is not None]
    assert len(set(ids)) == len(USED)
    assert all(one is not None and one.startswith("ocsf-") and len(one) == 45 for one in ids)
    login, finding = event("authentication-logon"), event("data-security-finding")
    del login["metadata"], finding["metadata"]
    nameless, by_finding = read(login), read(finding)
    assert nameless is not None
    assert nameless.activity_id is None
    assert by_finding is not None
    assert by_finding.activity_id is not None


def test_what_is_not_read_does_not_make_another_body() -> None:
    """A repeat with another severity is a repeat; one with another place is not."""
    one, other, moved = (event("authentication-logon") for _ in range(3))
    other["severity_id"] = 4
    moved["src_endpoint"]["location"]["lat"] = 48.9
    digests = [activity.digest for activity in map(read, (one, other, moved)) if activity is not None]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"time": "2026-03-17T08:14:03"}, ["/7/time"]),
        ({"time": "1773735243000"}, ["/7/time"]),
        ({"time": 0.5}, ["/7/time"]),
        ({"time": None}, ["/7/time"]),
        ({"time": None, "time_dt": "2026-03-17"}, ["/7/time"]),
        ({"time": True}, ["/7/time"]),
        ({"time": -1}, ["/7/time"]),
        ({"time": 10**15}, ["/7/time"]),
        ({"activity_id": None}, ["/7/activity_id"]),
        ({"user": "kai"}, ["/7/user"]),
        (
            {"src_endpoint": {"location": {"lat": 91, "long": "2"}}},
            ["/7/src_endpoint/location/lat", "/7/src_endpoint/location/long"],
        ),
        ({"src_endpoint": {"location": {"coordinates": [2.3]}}}, ["/7/src_endpoint/location/coordinates"]),
        ({"src_endpoint": {"location": {"coordinates": [48.9, 120]}}}, ["/7/src_endpoint/location/coordinates"]),
    ],
)
def test_what_breaks_the_schema_is_refused_with_its_place(change: dict[str, Any], pointers: list[str]) -> None:
    """All at once."""
    with pytest.raises(Invalid) as caught:
        read({**event("authentication-logon"), **change})
    assert [fault.pointer for fault in caught.value.faults] == pointers


@pytest.mark.parametrize(
    "given",
    [
        {"time": "2026-03-17T08:14:03Z"},
        {"time": "2026-03-17T09:14:03.000+01:00"},
        {"time": 1773735243000.0},
        {"time": None, "time_dt": "2026-03-17T08:14:03Z"},
        {"time_dt": "1999-01-01T00:00:00Z"},
    ],
)
def test_a_time_may_be_written_as_rfc_3339(given: dict[str, Any]) -> None:
    """In `time`, as many products print it, or in `time_dt` of the profile datetime; milliseconds come first."""
    activity = read({**event("authentication-logon"), **given})
    assert activity is not None
    assert activity.seen.at == AT


def test_texts_are_cut_and_kept_to_one_line() -> None:
    """What people read of a name; nothing of a source's own making is refused for it."""
    document = event("data-security-finding")
    document["data_security"]["policy"]["name"] = "Payment\n\u0000cards" + "x" * 300
    activity = read(document)
    assert activity is not None
    assert isinstance(activity.seen, DlpHit)
    assert activity.seen.profile == "Payment  cards" + "x" * 241


LOGIN = {
    "class_uid": 3002,
    "activity_id": 1,
    "status_id": 1,
    "time": 1,
    "src_endpoint": {"location": {"lat": 52.52, "long": 13.4}},
}


@pytest.mark.parametrize("unusable", ["", "unknown", "admin", "17", "mailto:kai@example.com", ".@.", "k@" + "e" * 400])
def test_an_unusable_address_counts_as_absent(unusable: str) -> None:
    """The user's name is tried next; an event without any address is ignored, and refuses no batch."""
    named = {**LOGIN, "user": {"email_addr": unusable, "name": "kai@example.com"}}
    activity = read(named)
    assert activity is not None
    assert activity.user == NAMELESS
    assert read({**LOGIN, "user": {"email_addr": unusable, "name": "svc"}}) is None
