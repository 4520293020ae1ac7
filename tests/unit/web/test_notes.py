"""Members that are not known are named, with what was probably meant."""

import pytest

from riskrelay.web.account_api.activity import DlpHitBody, LoginBody
from riskrelay.web.account_api.findings import FindingBody
from riskrelay.web.account_api.notes import MAX_NOTES, Notes, closest
from riskrelay.web.account_api.problems import messages


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("detail", "details"),
        ("Details", "details"),
        ("occured_at", "timestamp"),
        ("occurred_at", "timestamp"),
        ("time_stamp", "timestamp"),
        ("timestmap", "timestamp"),
        ("behaviour", "behavior"),
        ("ID", "id"),
        ("severity", None),
        ("", None),
        ("x" * 1_000_000, None),
    ],
)
def test_the_nearest_member_is_proposed(name: str, meant: str | None) -> None:
    """By its spelling, or because other products call it so; nothing where nothing is near."""
    assert closest(name, FindingBody.model_fields) == meant


def test_unknown_members_are_found_in_inner_objects_too() -> None:
    """What stands in details is free."""
    notes = Notes()
    given = {"behavior": "high_dlp", "user": {"email": "a@b.c", "mail": "x"}, "details": {"detail": 1}, "more": 2}
    notes.add_unknown(FindingBody, given, (4,))
    assert [note.pointer for note in notes.kept] == ["/4/user/mail", "/4/more"]
    first, second = messages(notes, "https://risk.example.com")
    assert first["message"] == ("user.mail of item 4: is an unknown member and was ignored; did you mean email?")
    assert second["message"].startswith("more of item 4: is an unknown member and was ignored; known members are ")
    assert first["code"] == 1200
    assert first["documentation_url"] == "https://risk.example.com/docs/errors/1200"


@pytest.mark.parametrize(("model", "name"), [(LoginBody, "aplication"), (DlpHitBody, "profil")])
def test_activity_has_notes_too(model: type[LoginBody | DlpHitBody], name: str) -> None:
    """Unknown members of activity are noted by the form of a login or of a DLP hit."""
    notes = Notes()
    notes.add_unknown(model, {name: "x"}, ())
    assert closest(name, model.model_fields) in model.model_fields
    assert [note.pointer for note in notes.kept] == [f"/{name}"]


@pytest.mark.fault(47)
def test_notes_are_bounded() -> None:
    """The first hundred are named, names are cut, the others are counted."""
    notes = Notes()
    notes.add_unknown(FindingBody, {f"{'n' * 10_000}{place}": 1 for place in range(5_000)}, ())
    assert (len(notes.kept), notes.more) == (MAX_NOTES, 4_900)
    shown = messages(notes, "https://risk.example.com")
    assert shown[-1]["message"] == "… and 4,900 more unknown members"
    assert sum(len(str(one)) for one in shown) < 100_000
