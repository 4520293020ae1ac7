"""What a rule's expressions gave is read generously, whatever its types."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.sources.mappings import Rule
from riskrelay.core.sources.reading import MAX_EVIDENCE, MAX_ID_CHARACTERS, MAX_TEXT_CHARACTERS, Row, read_row
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import ActivitySignal, FindingSignal, Name, Refused

_LOGIN = Rule(when="true", gives="login", behavior=None, expressions=())
_FINDING = Rule(when="true", gives="finding", behavior="b", expressions=())
_AT = "2026-11-29T10:00:00Z"
_NO: list[Any] = [False, "false", 0, "", None, {}, []]
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def _login(**members: Any) -> ActivitySignal:
    row = Row(**{"user": "kai@example.com", "time": _AT, **members})
    signal = read_row(row, _LOGIN, b"{}", "rules[0]")
    assert isinstance(signal, ActivitySignal)
    return signal


@pytest.mark.parametrize(
    "user",
    [
        "kai@example.com",
        ["", "unknown", "kai", "kai@example.com", "other@example.com"],
        [None, 7, {"a": 1}, [["kai@example.com"]]],
        "mailto:kai@example.com",
        "Kai Berg <kai@example.com>",
        " kai@example.com ",
    ],
)
def test_the_first_usable_address_is_the_user(user: object) -> None:
    assert _login(user=user, names={"user_name": "kai"}).identities == ("kai@example.com",)


def test_names_are_for_events_without_an_address() -> None:
    names = {"user_name": ["kai", "-", "N/A", None], "host": "laptop-7", "sub": 7}
    found = _login(user="kai", names=names).names
    assert found == (
        Name(kind="user_name", value="kai"),
        Name(kind="host", value="laptop-7"),
        Name(kind="sub", value="7"),
    )
    assert _login(names=names).names == ()


def test_an_event_without_user_or_with_an_unreadable_time_is_refused() -> None:
    assert read_row(Row(time=_AT), _LOGIN, b"{}", "rules[3]") == Refused(reason=Reason.NO_USER, pointer="rules[3].user")
    refused = read_row(Row(time=["soon"]), _LOGIN, b"{}", "rules[3]")
    assert refused == Refused(reason=Reason.BAD_TIME, pointer="rules[3].time")


@pytest.mark.parametrize("absent", [None, "", " ", [], [None, ""], {}])
def test_an_event_without_a_time_is_a_signal_without_a_time(absent: object) -> None:
    assert _login(time=absent).at_ms is None


def test_the_first_readable_time_is_taken() -> None:
    assert _login(time=[None, "soon", 0, _AT]).at_ms == 1_795_946_400_000


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:443", "198.51.100.7"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("2001:db8::1%eth0", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (["-", "198.51.100.7"], "198.51.100.7"),
        ("localhost", None),
        (7, None),
        ("x" * 5_000, None),
    ],
)
def test_an_address_is_read_in_its_canonical_form(written: object, read: str | None) -> None:
    assert _login(ip=written).ip == read


def test_coordinates_are_both_or_none() -> None:
    assert _login(place={"lat": "52.5", "lon": [13.4]}).latitude == 52.5
    places: list[Any] = [{"lat": 52.5}, {"lat": 91, "lon": 0}, {"lat": "x", "lon": 1}, {"lat": True, "lon": 1}, [], "x"]
    for place in places:
        signal = _login(place=place)
        assert (signal.latitude, signal.longitude) == (None, None)


@pytest.mark.parametrize(
    ("written", "read"), [(64500, 64500), ("AS64500", 64500), ("64500", 64500), (0, None), ("x", None)]
)
def test_the_network_number_may_have_its_prefix(written: object, read: int | None) -> None:
    assert _login(place={"asn": written}).asn == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *((written, True) for written in (True, "true", "Yes", 1, [False, "true"])),
        *((written, False) for written in _NO),
    ],
)
def test_an_anonymous_address_may_be_said_in_many_ways(written: object, read: bool) -> None:
    assert _login(anonymous=written).is_anonymous is read


def test_the_id_is_the_senders_or_a_hash() -> None:
    hashed = read_row(Row(user="kai@example.com", time=_AT), _LOGIN, b'{"a":1}', "")
    other = read_row(Row(user="kai@example.com", time=_AT), _LOGIN, b'{"a":2}', "")
    assert isinstance(hashed, ActivitySignal)
    assert isinstance(other, ActivitySignal)
    assert hashed.event_id.startswith("sha256:")
    assert hashed.event_id != other.event_id
    assert _login(id=["", None, "e-1"]).event_id == "e-1"
    assert _login(id=7).event_id == "7"
    assert _login(id=2.0**60).event_id.startswith("sha256:")  # rounded: two ids could be one
    assert _login(id="x" * 5_000).event_id.startswith("sha256:")


def test_texts_are_short_and_printable() -> None:
    signal = _login(application="a\x00b\n" + "x" * 5_000, evidence={str(n): "v" * 5_000 for n in range(50)})
    assert signal.application is not None
    assert len(signal.application) <= MAX_TEXT_CHARACTERS
    assert signal.application.isprintable()
    assert len(signal.evidence) == MAX_EVIDENCE
    assert _login(evidence={"a": [1, True, "x"], "b": True, "c": None, "d": {}}).evidence == {"a": "1, x", "b": "yes"}


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Row.__struct_fields__, _JSON)))
def test_no_value_raises_an_exception(members: dict[str, Any]) -> None:
    for rule in (_LOGIN, _FINDING):
        signal = read_row(Row(**{"user": "kai@example.com", "time": _AT, **members}), rule, b"{}", "rules[0]")
        if isinstance(signal, (FindingSignal, ActivitySignal)):
            assert len(signal.event_id) <= MAX_ID_CHARACTERS
