"""The place of an IP address, from geolocation."""

from msgspec import Struct
from msgspec.structs import replace

from riskrelay.core.risk.activity import Login
from riskrelay.core.risk.centroids import is_centroid
from riskrelay.core.risk.exemptions import has_place


class Place(Struct, frozen=True, kw_only=True):
    """The result of geolocation for an address.

    Attributes:
        latitude, longitude: in degrees; None: at most the country is known.
        accuracy_km: the accuracy radius; 0: not known.
        asn: the number of the autonomous system.
    """

    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: float = 0.0
    country: str | None = None
    city: str | None = None
    asn: int | None = None


def located(login: Login, place: Place) -> Login:
    """Return *login*, completed with *place*. Coordinates in the event are kept if they are a place."""
    told = has_place(login.latitude, login.longitude)
    told = told and not is_centroid(login.latitude, login.longitude, country=login.country, city=login.city)
    login = replace(login, asn=login.asn if login.asn is not None else place.asn)
    if not told and place.latitude is not None and place.longitude is not None:
        return replace(
            login,
            latitude=place.latitude,
            longitude=place.longitude,
            accuracy_km=place.accuracy_km,
            country=place.country,
            city=place.city,
        )
    if login.country is None and login.city is None and not told:
        return replace(login, country=place.country)
    return login
