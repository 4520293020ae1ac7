"""What a token is good for."""

import itertools
from datetime import timedelta

import pytest

from riskrelay.core.credentials import ALL_SCOPES, Scope, Session, StoredToken, TokenId
from riskrelay.core.errors import Forbidden
from riskrelay.core.integrations import AccountId
from support.services import NOON

OWN, OTHER = AccountId("own"), AccountId("other")


def token(owner: AccountId | None, *scopes: Scope) -> StoredToken:
    return StoredToken(
        token_id=TokenId("t"),
        account_id=owner,
        name="x",
        token_hash=b"",
        scopes=frozenset(scopes),
        created_at=NOON,
        expires_at=None,
    )


def allowed(held: StoredToken, owner: AccountId | None, scope: Scope | None) -> bool:
    try:
        held.require(owner, scope)
    except Forbidden:
        return False
    return True


def test_an_accounts_token_is_good_for_that_account_only() -> None:
    """Not for another one, and not for the installation, whatever its scopes are."""
    held = token(OWN, *ALL_SCOPES)
    for scope in (*Scope, None):
        assert allowed(held, OWN, scope)
        assert not allowed(held, OTHER, scope)
        assert not allowed(held, None, scope)


def test_an_installation_token_is_good_everywhere() -> None:
    """Within its scopes."""
    held = token(None, Scope.OPERATE)
    for owner in (OWN, OTHER, None):
        assert allowed(held, owner, Scope.OPERATE)
        assert allowed(held, owner, None)
        assert not allowed(held, owner, Scope.READ)


@pytest.mark.parametrize(("held", "needed"), list(itertools.product(Scope, Scope)))
def test_no_scope_contains_another(held: Scope, needed: Scope) -> None:
    """Contract 16: writing is not reading, operating is neither."""
    assert allowed(token(OWN, held), OWN, needed) == (held is needed)


@pytest.mark.parametrize(
    ("started", "seen", "ended"),
    [
        (timedelta(0), timedelta(0), False),
        (timedelta(minutes=5), timedelta(minutes=5), False),
        (timedelta(minutes=6), timedelta(minutes=6), True),
        (timedelta(0), timedelta(minutes=6), True),
        (timedelta(days=20), timedelta(days=20), True),
    ],
)
def test_a_session_of_a_clock_that_was_ahead_is_over(started: timedelta, seen: timedelta, ended: bool) -> None:
    """Otherwise it would live for as long as the clock was ahead, and twelve hours more."""
    assert (
        Session(session_hash=b"", token=token(OWN), started_at=NOON + started, seen_at=NOON + seen).ended_at(NOON)
        is ended
    )
