"""What an account may know of the installation's health."""

from dataclasses import replace
from datetime import timedelta

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.keys import Algorithm, SealedKey
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import Stock, Verdict
from riskrelay.web.console.checkup import checks
from support.services import NOON

HTTPS = "https://risk.example.com"
BALANCED = Stock(
    taken_at=NOON,
    ledger=Ledger(
        stream_id=StreamId(""),
        queued=3,
        delivered=1,
        pending=1,
        dead=1,
        expired=0,
        cancelled=0,
        superseded=0,
        oldest_pending=None,
    ),
    standings=[],
    receipts=0,
    latency_p50=None,
    latency_p99=None,
    known_users=0,
)
KEYS = [
    SealedKey(
        kid=f"{algorithm}{signs}",
        algorithm=algorithm,
        public_jwk="{}",
        sealed_private=b"",
        created_at=NOON,
        signs_from=NOON if signs else None,
    )
    for algorithm in Algorithm
    for signs in (True, False)
]


def test_everything_is_well() -> None:
    """Each thing that was looked at says so."""
    found = checks(HTTPS, KEYS, BALANCED, NOON + timedelta(seconds=5))
    assert [check.topic for check in found] == ["public_url", "keys", "keys", "delivery", "ledger"]
    assert {check.verdict for check in found} == {Verdict.OK}


def test_each_problem_has_a_remedy() -> None:
    """Plain http, no key, no next key, nobody delivers, a ledger that does not add up."""
    late = NOON + timedelta(minutes=6)
    off = replace(BALANCED, ledger=replace(BALANCED.ledger, queued=4))
    for found, topic, said in (
        (checks("http://127.0.0.1:8700", KEYS, BALANCED, NOON), "public_url", "without the Secure attribute"),
        (checks(HTTPS, [], BALANCED, NOON), "keys", "no current RS256 signing key"),
        (checks(HTTPS, KEYS[::2], BALANCED, NOON), "keys", "no next RS256 signing key"),
        (checks(HTTPS, KEYS, BALANCED, late), "delivery", "for 6 min"),
        (checks(HTTPS, KEYS, None, NOON), "delivery", "for this account yet"),
        (checks(HTTPS, KEYS, off, NOON), "ledger", "by 1 events"),
    ):
        wrong = [check for check in found if check.verdict is not Verdict.OK]
        assert wrong[0].topic == topic
        assert said in wrong[0].said
        assert all(check.fix for check in wrong)
