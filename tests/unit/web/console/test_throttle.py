"""How often an address may try to sign in."""

from datetime import timedelta

import pytest

from riskrelay.core.errors import RateLimited
from riskrelay.web.console.throttle import SIGN_INS, SIGN_INS_OF_ADDRESS, SignInThrottle
from support.services import HandClock

OFFICE, HOME = "198.51.100.7", "203.0.113.9"
GOOD, BAD = "rr_goodgoodgood", "rr_badbadbadbad"


def tries(throttle: SignInThrottle, address: str | None, token: str, count: int) -> int:
    """How many of *count* tries are let through."""
    granted = 0
    for _ in range(count):
        try:
            throttle.spend(address, token)
        except RateLimited:
            continue
        granted += 1
    return granted


def test_one_token_is_limited_at_one_address() -> None:
    """Thirty a minute; what stands around it and what follows its prefix makes no other token of it."""
    throttle = SignInThrottle(HandClock())
    assert tries(throttle, OFFICE, BAD, 40) == SIGN_INS.quota
    assert tries(throttle, OFFICE, f" {BAD}more ", 1) == 0


def test_mistyped_tokens_lock_no_other_user_out() -> None:
    """Another token at that address, and that token elsewhere, have counts of their own."""
    throttle = SignInThrottle(HandClock())
    tries(throttle, OFFICE, BAD, 40)
    assert tries(throttle, OFFICE, GOOD, 1) == 1
    assert tries(throttle, HOME, BAD, 1) == 1


def test_guessing_with_many_prefixes_is_limited_by_address() -> None:
    """Even then a token that has signed in there before is let through; a new one waits."""
    clock = HandClock()
    throttle = SignInThrottle(clock)
    throttle.succeeded(OFFICE, GOOD)
    assert sum(tries(throttle, OFFICE, f"rr_{n:08}", 1) for n in range(1_000)) == SIGN_INS_OF_ADDRESS.quota
    assert tries(throttle, OFFICE, "rr_newcomer", 1) == 0
    assert tries(throttle, OFFICE, GOOD, 1) == 1
    assert tries(throttle, HOME, "rr_newcomer", 1) == 1
    clock.pass_time(timedelta(seconds=SIGN_INS_OF_ADDRESS.window_seconds))
    assert tries(throttle, OFFICE, "rr_newcomer", 1) == 1


def test_unknown_addresses_share_one_count() -> None:
    """A server that does not say who called."""
    throttle = SignInThrottle(HandClock())
    assert tries(throttle, None, BAD, 40) == SIGN_INS.quota


@pytest.mark.parametrize("token", ["", " ", "x" * 100_000])
def test_any_text_counts_and_little_of_it_is_kept(token: str) -> None:
    """Memory does not grow with what is typed, nor with how many addresses there are."""
    throttle = SignInThrottle(HandClock())
    for n in range(10_050):
        tries(throttle, f"192.0.2.{n}", token, 1)
    assert len(throttle._tries) == len(throttle._of_address) == 10_000
    assert max(len(prefix) for _, prefix in throttle._tries) <= 11
