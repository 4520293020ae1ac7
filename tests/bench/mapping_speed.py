"""How many events a second one core maps: `PYTHONPATH=tests python -m bench.mapping_speed`.

Processor time, of encoding excluded and of evaluating and reading included, so that other work on the machine counts
little. The best of five rounds.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from riskrelay.core.sources.mappings import MappingDocument, read_mapping
from riskrelay.mapping.compiled import CompiledMapping
from riskrelay.mapping.events import encode_event
from riskrelay.mapping.shipped import shipped_mapping, shipped_texts

_SAMPLES = Path(__file__).parents[1] / "unit" / "mapping" / "samples"
_TYPICAL = ("login", "detection", "alert", "threat", "dlp")  # each kind has one of these samples
_ROUNDS = 5
_CHUNK = 256

# What the library comparison of ADR 0026 measures: user, place, time and id under one condition.
_LEAN_OKTA = {
    "kind": "lean_okta",
    "rules": [
        {
            "when": 'eventType = "user.session.start" and outcome.result = "SUCCESS"',
            "gives": "login",
            "user": "actor.alternateId",
            "time": "published",
            "id": "uuid",
            "ip": "client.ipAddress",
            "place": {
                "lat": "client.geographicalContext.geolocation.lat",
                "lon": "client.geographicalContext.geolocation.lon",
            },
        }
    ],
}


def mapping_speeds(events: int) -> Iterator[tuple[str, float]]:
    """Measure the mapping of one sign-in of Okta by a lean mapping, and of a typical event of each kind by its own.

    Args:
        events: of each round.

    Returns: names, and events a second of one core.
    """
    yield "lean mapping of Okta", _speed(read_mapping(_LEAN_OKTA), "okta_system_log", events)
    for kind in shipped_texts():
        yield kind, _speed(shipped_mapping(kind), kind, events)


def _speed(document: MappingDocument, kind: str, events: int) -> float:
    sample = next(path for name in _TYPICAL if (path := _SAMPLES / kind / f"{name}.json").exists())
    event = encode_event(msgspec.json.decode(sample.read_bytes()))
    assert isinstance(event, bytes)
    mapping = CompiledMapping(document, is_timed=False)
    chunk = [event] * _CHUNK
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(max(1, events // _CHUNK)):
            mapping.map_all(chunk)
        best = min(best, time.process_time() - began)
    return max(1, events // _CHUNK) * _CHUNK / best


if __name__ == "__main__":
    for name, speed in mapping_speeds(20_000):
        print(f"{name}: {speed:,.0f} events/s")
