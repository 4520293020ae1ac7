"""Apply the account's rules to activity before detection: exempt logins, and anonymous logins."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from hashlib import sha256

import msgspec

from riskrelay.actions.computing import compute_for
from riskrelay.actions.giving_way import in_steps
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.activity import LOGIN_BEHAVIOR, Activity, Login, Timing, timing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exemptions import ANONYMOUS_BEHAVIOR, Exemption, exemption_of
from riskrelay.core.risk.findings import Finding, FindingId, UserRef
from riskrelay.core.risk.known_places import PlaceDay, first_remembered_day, is_known, place_day_of
from riskrelay.core.risk.networks import NO_NETWORKS, Networks, TrustedNetwork
from riskrelay.core.risk.places import located
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.ports import Services, Transaction

_DELETED_AT_LEAST = 1_000  # guessed: so that small requests also delete the old places that a large request left


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The activity of a request after the account's rules were applied.

    Attributes:
        limits: the account's limits, as they were read.
        sent: the activity for detection, including late activity, by place in the request.
        exempt: the exempt logins, by place.
        anonymous: a finding for each anonymous login, if the account has enabled their behavior.
        learned: the places that are not stored yet, by email_key.
    """

    limits: TravelLimits
    sent: Mapping[int, Activity]
    exempt: Mapping[int, Exemption]
    anonymous: Sequence[Finding]
    learned: Mapping[str, AbstractSet[PlaceDay]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """An account's rules for logins.

    Attributes:
        enabled: the enabled behaviors.
        places: the places of its users' logins, by email_key.
    """

    limits: TravelLimits
    networks: Networks
    enabled: AbstractSet[BehaviorId]
    places: Mapping[str, AbstractSet[PlaceDay]]


async def admit(services: Services, account_id: AccountId, sent: Mapping[int, Activity]) -> Admitted:
    """Apply the account's rules to activity.

    Args:
        sent: the activity by place in the request.
    """
    now = services.clock.now()
    logins = await compute_for(len(sent), partial(_logins, sent))
    rules = await services.store.read(account_id, lambda tx: _rules(tx, logins, now))
    return await compute_for(len(sent), partial(_admitted, services, rules, sent, now=now))


def _admitted(services: Services, rules: _Rules, sent: Mapping[int, Activity], now: datetime) -> Admitted:
    admitted: dict[int, Activity] = {}
    exempt: dict[int, Exemption] = {}
    anonymous: list[Finding] = []
    learned: dict[str, set[PlaceDay]] = {}
    for place, activity in in_steps(sent.items()):
        login = activity.seen
        if not isinstance(login, Login) or timing(login.at, now, rules.limits.lateness) is not Timing.TIMELY:
            admitted[place] = activity
            continue
        login = _located(services, login)
        exemption = exemption_of(login, rules.limits, rules.networks)
        if login.is_anonymous and exemption is not Exemption.TRUSTED_NETWORK and ANONYMOUS_BEHAVIOR in rules.enabled:
            anonymous.append(_anonymous(activity, login))
        if exemption is not None:
            exempt[place] = exemption
            continue
        places = rules.places.get(activity.user.email_key, frozenset())
        known = is_known(login, places, rules.limits)
        seen = msgspec.structs.replace(login, is_known=known, event_id=login.event_id or activity.activity_id)
        admitted[place] = replace(activity, seen=seen)
        if rules.limits.known_places_days and LOGIN_BEHAVIOR in rules.enabled and place_day_of(login) not in places:
            learned.setdefault(activity.user.email_key, set()).add(place_day_of(login))
    return Admitted(limits=rules.limits, sent=admitted, exempt=exempt, anonymous=anonymous, learned=learned)


async def learn(services: Services, account_id: AccountId, admitted: Admitted) -> None:
    """Store the places of users' logins, and delete places that are too old to be used."""
    if not admitted.learned:
        return
    first = first_remembered_day(services.clock.now(), admitted.limits)
    most = _DELETED_AT_LEAST + 2 * len(admitted.sent)

    def store(tx: Transaction) -> None:
        tx.detection.learn(admitted.learned)
        tx.detection.delete_places(first, most)

    await services.store.write(account_id, store)


def _located(services: Services, login: Login) -> Login:
    place = None if login.ip is None else services.geolocator.locate(login.ip)
    return login if place is None else located(login, place)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logins:
    """What the choice of rules needs to know of the logins of a request.

    Attributes:
        keys: the email_keys of their users; empty without a login.
        named: whether one of them names its address or network.
        anonymous: whether one of them is anonymous.
    """

    keys: AbstractSet[str]
    named: bool
    anonymous: bool


def _logins(sent: Mapping[int, Activity]) -> _Logins:
    keys: set[str] = set()
    named = anonymous = False
    for activity in in_steps(sent.values()):
        login = activity.seen
        if isinstance(login, Login):
            keys.add(activity.user.email_key)
            named = named or bool(login.ip or login.asn)
            anonymous = anonymous or login.is_anonymous
    return _Logins(keys=keys, named=named, anonymous=anonymous)


def _rules(tx: Transaction, logins: _Logins, now: datetime) -> _Rules:
    limits = tx.detection.limits()
    networks, enabled, places = NO_NETWORKS, frozenset[BehaviorId](), dict[str, set[PlaceDay]]()
    if limits.exempt_trusted_networks and logins.named:
        networks = _compiled(tx.detection.networks())
    if limits.known_places_days or logins.anonymous:
        enabled = frozenset(one for one, setting in tx.behaviors.stored().items() if setting.enabled)
    if limits.known_places_days and logins.keys:
        places = tx.detection.known_places(logins.keys, first_remembered_day(now, limits))
    return _Rules(limits=limits, networks=networks, enabled=enabled, places=places)


@lru_cache(maxsize=32)  # some megabytes: compiling 1,000 networks takes milliseconds
def _compiled(trusted: tuple[TrustedNetwork, ...]) -> Networks:
    return Networks(trusted) if trusted else NO_NETWORKS


def _anonymous(activity: Activity, login: Login) -> Finding:
    """Return the finding of an anonymous login. Its id is derived from the event, so that a repeat is a duplicate."""
    named = f"{activity.user.email_key}\n{activity.activity_id or ''}\n".encode() + activity.digest
    details = {
        name: value
        for name in ("ip", "asn", "country", "city", "application", "source")
        if (value := getattr(login, name))
    }
    digest = sha256(named).digest()
    return Finding(
        finding_id=FindingId(f"anonymous-{digest.hex()[:40]}"),
        behavior=ANONYMOUS_BEHAVIOR,
        user=UserRef(activity.user.email, activity.user.name),
        occurred_at=login.at,
        details=details,
        digest=digest,
    )
