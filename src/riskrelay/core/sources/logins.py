"""Convert a login of a source for the detection of impossible travel."""

from datetime import datetime

from riskrelay.core.risk.activity import Login
from riskrelay.core.sources.signals import ActivitySignal


def login_of(signal: ActivitySignal, at: datetime, source: str) -> Login:
    """Return the login in *signal*. Without coordinates its place is 0/0, which geolocation may replace.

    Args:
        source: the name of the source, for people.
    """
    has_coordinates = signal.latitude is not None and signal.longitude is not None
    return Login(
        at=at,
        latitude=signal.latitude or 0.0 if has_coordinates else 0.0,
        longitude=signal.longitude or 0.0 if has_coordinates else 0.0,
        application=signal.application,
        accuracy_km=signal.accuracy_km or 0.0,
        ip=signal.ip,
        asn=signal.asn,
        country=signal.country,
        city=signal.city,
        source=source,
        event_id=signal.event_id,
        is_refresh=signal.activity == "session_refresh",
        is_anonymous=signal.is_anonymous,
        is_undated=signal.at_ms is None,
    )
