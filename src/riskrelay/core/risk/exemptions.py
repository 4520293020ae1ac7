"""Logins that take no part in impossible travel, and why."""

from enum import StrEnum

from riskrelay.core.risk.activity import Login
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.centroids import is_centroid
from riskrelay.core.risk.networks import Networks
from riskrelay.core.risk.speeds import TravelLimits

ANONYMOUS_BEHAVIOR = BehaviorId("anonymous_login")
"""The behavior that an anonymous login triggers, if the account has added and enabled it."""

_NEAR_ZERO_DEGREES = 0.01  # chosen, a kilometer: the place is in the sea, and zero means "not known"


class Exemption(StrEnum):
    """Why a login takes no part."""

    TRUSTED_NETWORK = "trusted_network"
    ANONYMOUS = "anonymous"
    NO_PLACE = "no_place"
    NO_TIME = "no_time"
    CENTROID = "centroid"
    SESSION_REFRESH = "session_refresh"


_SENTENCES = {
    Exemption.TRUSTED_NETWORK: "The address is of a trusted network of the account.",
    Exemption.ANONYMOUS: "The login came through a VPN, a proxy, a relay or Tor, so its place says nothing.",
    Exemption.NO_PLACE: "The login has no place: no coordinates, 0/0, or an address that geolocation does not know.",
    Exemption.NO_TIME: "The event has no time, so its speed from another login can't be computed.",
    Exemption.CENTROID: "The coordinates are the middle of a country: only the country is known.",
    Exemption.SESSION_REFRESH: "The account does not count refreshed sessions.",
}


def sentence(exemption: Exemption) -> str:
    """Return an explanation of an exemption, as a sentence.

    >>> sentence(Exemption.SESSION_REFRESH)
    'The account does not count refreshed sessions.'
    """
    return _SENTENCES[exemption]


def exemption_of(login: Login, limits: TravelLimits, networks: Networks) -> Exemption | None:
    """Return why *login* is exempt from impossible travel, independent of other logins.

    Returns: the first reason of: trusted network, anonymous, no place, no time, centroid, session refresh; None: not
        exempt.
    """
    if limits.exempt_trusted_networks and networks.classify(login.ip, login.asn) is not None:
        return Exemption.TRUSTED_NETWORK
    if limits.exempt_anonymous and login.is_anonymous:
        return Exemption.ANONYMOUS
    if not has_place(login.latitude, login.longitude):
        return Exemption.NO_PLACE
    if login.is_undated:
        return Exemption.NO_TIME
    if limits.exempt_centroids and is_centroid(login.latitude, login.longitude, country=login.country, city=login.city):
        return Exemption.CENTROID
    return Exemption.SESSION_REFRESH if login.is_refresh and not limits.session_refreshes else None


def has_place(latitude: float, longitude: float) -> bool:
    """Return whether coordinates are a place. 0/0, "null island", is not.

    >>> has_place(0.0, 0.0), has_place(0.0, 6.6)
    (False, True)
    """
    return abs(latitude) > _NEAR_ZERO_DEGREES or abs(longitude) > _NEAR_ZERO_DEGREES
