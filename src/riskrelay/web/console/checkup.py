"""What the console itself knows about the health of the installation. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from riskrelay.delivery.health import in_words
from riskrelay.keys import Algorithm, KeyState, SealedKey, key_in
from riskrelay.ports import Stock

_STALE = timedelta(minutes=5)  # guessed: a large installation is counted every minute or two


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        is_well: False: `says` tells what to do about it.
    """

    name: str
    is_well: bool
    says: str


def checks(public_origin: str, keys: Sequence[SealedKey], stock: Stock | None, now: datetime) -> list[Check]:
    """How the installation does, as far as it shows in an account."""
    return [_public_url(public_origin), *(_key(keys, algorithm) for algorithm in Algorithm), *_delivery(stock, now)]


def _public_url(public_origin: str) -> Check:
    if urlsplit(public_origin).scheme == "https":
        return Check("Public URL", True, f"{public_origin}: sessions and receivers are reached by https.")
    return Check(
        "Public URL",
        False,
        f"{public_origin} is plain http on this machine: the cookies of sessions go without Secure, and no receiver "
        "elsewhere can read the metadata. Set RISKRELAY_PUBLIC_URL to an https URL before others use it.",
    )


def _key(keys: Sequence[SealedKey], algorithm: Algorithm) -> Check:
    name = f"Signing key {algorithm.value}"
    if key_in(keys, algorithm, KeyState.CURRENT) is None:
        return Check(name, False, "There is none: run `riskrelay init`.")
    if key_in(keys, algorithm, KeyState.NEXT) is None:
        return Check(name, False, "There is no next one: restart the service, which makes it.")
    return Check(name, True, "One signs, the next one is published.")


def _delivery(stock: Stock | None, now: datetime) -> list[Check]:
    if stock is None or now - stock.taken_at > _STALE:
        since = "ever" if stock is None else f"for {in_words(now - stock.taken_at)}"
        says = f"No process has counted this account {since}: is `riskrelay serve` or `riskrelay worker` running?"
        return [Check("Delivery", False, says)]
    imbalance = stock.ledger.imbalance
    says = (
        "queued = delivered + pending + dead + expired + cancelled" if not imbalance else f"It is off by {imbalance}."
    )
    return [
        Check("Delivery", True, f"A process delivers; it counted {in_words(now - stock.taken_at)} ago."),
        Check("Ledger", not imbalance, says),
    ]
