"""The installation's health as an account may see it; `doctor` checks more. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from riskrelay.core.delivery.health import in_words
from riskrelay.core.keys import Algorithm, KeyState, SealedKey, key_in
from riskrelay.ports import Check, Stock, Verdict

STALE = timedelta(minutes=5)  # guessed: a large installation is counted every minute or two


def checks(public_origin: str, keys: Sequence[SealedKey], stock: Stock | None, now: datetime) -> list[Check]:
    """Return the checks of the installation that an account may see."""
    return [_public_url(public_origin), *(_key(keys, algorithm) for algorithm in Algorithm), *_delivery(stock, now)]


def _public_url(public_origin: str) -> Check:
    if urlsplit(public_origin).scheme == "https":
        return Check(topic="public_url", verdict=Verdict.OK, said=f"{public_origin} uses https.")
    said = f"{public_origin} uses http, so session cookies are sent without the Secure attribute."
    return Check(
        topic="public_url",
        verdict=Verdict.WARNING,
        said=said,
        fix="Put a TLS proxy in front of the service, or set RISKRELAY_TLS_CERT.",
    )


def _key(keys: Sequence[SealedKey], algorithm: Algorithm) -> Check:
    if key_in(keys, algorithm, KeyState.CURRENT) is None:
        return Check(
            topic="keys",
            verdict=Verdict.PROBLEM,
            said=f"There is no current {algorithm.value} signing key.",
            fix="Run riskrelay init.",
        )
    if key_in(keys, algorithm, KeyState.NEXT) is None:
        said = f"There is no next {algorithm.value} signing key."
        return Check(
            topic="keys", verdict=Verdict.WARNING, said=said, fix="Restart riskrelay serve. It creates one at startup."
        )
    return Check(
        topic="keys",
        verdict=Verdict.OK,
        said=f"The current {algorithm.value} key signs, and the next one is published.",
    )


def _delivery(stock: Stock | None, now: datetime) -> list[Check]:
    if stock is None or now - stock.taken_at > STALE:
        since = "yet" if stock is None else f"for {in_words(now - stock.taken_at)}"
        fix = "Start riskrelay serve or riskrelay worker."
        return [
            Check(
                topic="delivery",
                verdict=Verdict.PROBLEM,
                said=f"No delivery process has reported for this account {since}.",
                fix=fix,
            )
        ]
    imbalance = stock.ledger.imbalance
    counted = Check(
        topic="delivery",
        verdict=Verdict.OK,
        said=f"Delivery is running (checked {in_words(now - stock.taken_at)} ago).",
    )
    if imbalance:
        fix = "Save a backup of the database and the log, then report the problem."
        return [
            counted,
            Check(topic="ledger", verdict=Verdict.PROBLEM, said=f"The ledger is off by {imbalance} events.", fix=fix),
        ]
    return [counted, Check(topic="ledger", verdict=Verdict.OK, said="The ledger balances.")]
