"""A login gets the place of its address when the event has none."""

import pytest
from msgspec.structs import replace

from riskrelay.core.risk.activity import Login
from riskrelay.core.risk.places import Place, located
from support.services import NOON

OSLO = Login(at=NOON, latitude=59.91, longitude=10.75, application=None, accuracy_km=5.0, country="NO", city="Oslo")
NOWHERE = Login(at=NOON, latitude=0.0, longitude=0.0, application=None)
PARIS = Place(latitude=48.85, longitude=2.35, accuracy_km=20.0, country="FR", city="Paris", asn=3_215)
AT_PARIS = {"latitude": 48.85, "longitude": 2.35, "accuracy_km": 20.0, "country": "FR", "city": "Paris"}


@pytest.mark.parametrize(
    ("login", "place", "expected"),
    [
        (OSLO, PARIS, replace(OSLO, asn=3_215)),
        (replace(OSLO, asn=1), PARIS, replace(OSLO, asn=1)),
        (NOWHERE, PARIS, replace(NOWHERE, asn=3_215, **AT_PARIS)),
        (NOWHERE, Place(latitude=48.85, country="FR"), replace(NOWHERE, country="FR")),
        (NOWHERE, Place(longitude=2.35, country="FR"), replace(NOWHERE, country="FR")),
        (NOWHERE, Place(), NOWHERE),
        # The event names its country or its city: another country beside it would contradict it.
        (replace(NOWHERE, country="NO"), Place(country="FR"), replace(NOWHERE, country="NO")),
        (replace(NOWHERE, city="Oslo"), Place(country="FR"), replace(NOWHERE, city="Oslo")),
        (replace(OSLO, country=None, city=None), Place(country="FR"), replace(OSLO, country=None, city=None)),
    ],
)
def test_a_login_is_completed_and_never_contradicted(login: Login, place: Place, expected: Login) -> None:
    """Coordinates of the event stay; those of the address bring their own country, city and accuracy."""
    assert located(login, place) == expected
