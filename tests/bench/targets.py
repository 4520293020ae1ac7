"""What the product is to reach on two cores, and whether a run did."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_Measured = list[dict[str, Any]]


class Target(NamedTuple):
    """One target: what is compared, with what bound.

    Attributes:
        value: from what was measured; None when its scenarios were not run.
        at_least: whether the value must reach the bound; otherwise it must not pass it.
    """

    text: str
    value: Callable[[_Measured], float | None]
    bound: float
    unit: str
    at_least: bool = True


def judged(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """Each target that was measured, with its value and whether it was met."""
    found = []
    for target in TARGETS:
        value = target.value(whole["measured"])
        if value is not None:
            is_met = value >= target.bound if target.at_least else value <= target.bound
            found.append({"target": target.text, "value": value, "unit": target.unit, "is_met": is_met})
    return found


def _of(scenario: str, variant: str, engine: str, name: str) -> Callable[[_Measured], float | None]:
    """The best of the runs of a variant, whatever their workers."""

    def value(measured: _Measured) -> float | None:
        values = list(_values(measured, scenario, variant, engine, name))
        return max(values, default=None)

    return value


def _values(measured: _Measured, scenario: str, variant: str, engine: str, name: str) -> Iterator[float]:
    for one in measured:
        if one["scenario"] == scenario and one["variant"].startswith(variant) and one["engine"] == engine:
            yield {**one["figures"], **one["ratios"]}[name]


def _ratio(scenario: str, variants: tuple[str, str], engine: str, name: str) -> Callable[[_Measured], float | None]:
    """The second variant's figure as a multiple of the first's, of the better run of each: less is better."""

    def value(measured: _Measured) -> float | None:
        first, second = (min(_values(measured, scenario, variant, engine, name), default=None) for variant in variants)
        return None if first is None or second is None else second / first

    return value


TARGETS = [
    Target(
        "RS256: events/s as a share of RSA-2048 signatures/s, SQLite",
        _of("sustained", "RS256", "sqlite", "of_signatures"),
        0.55,
        "%",
    ),
    Target("ES256: 10,000 events/s, SQLite", _of("sustained", "ES256", "sqlite", "events_per_s"), 10_000, "/s"),
    Target(
        "delivery latency at 100 changes/s: p50 under 3 ms, SQLite",
        _of("latency", "100 ", "sqlite", "p50_ms"),
        3,
        "ms",
        False,
    ),
    Target(
        "delivery latency at 100 changes/s: p99 under 10 ms, SQLite",
        _of("latency", "100 ", "sqlite", "p99_ms"),
        10,
        "ms",
        False,
    ),
    Target(
        "batches of 1,000: 20,000 findings/s, SQLite",
        _of("ingest", "batches", "sqlite", "findings_per_s"),
        20_000,
        "/s",
    ),
    Target(
        "batches of 1,000: 15,000 findings/s, PostgreSQL",
        _of("ingest", "batches", "postgresql", "findings_per_s"),
        15_000,
        "/s",
    ),
]
for _engine, _name in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
    TARGETS += [
        Target(
            f"p99 of another account beside {_large} within twice the p99 without, {_name}",
            _of("large", _large, _engine, "of_alone_p99"),
            2,
            "×",
            False,
        )
        for _large in ("findings", "logins of one user", "logins of many users")
    ]
    TARGETS += [
        Target(
            f"a replay at 0.9 times the rate of acceptance and delivery, {_name}",
            _of("replays", "", _engine, "of_delivery"),
            0.9,
            "×",
        ),
        Target(
            f"CPU per finding within 30 % with ten rules, {_name}",
            _ratio("rules", ("without", "with ten"), _engine, "service_cpu_us"),
            1.3,
            "×",
            False,
        ),
        Target(
            f"healthy receivers' p99 within 10 % while 5 % are dead and 5 % slow, {_name}",
            _ratio("crowd", ("all healthy", "5 %"), _engine, "p99_ms"),
            1.1,
            "×",
            False,
        ),
        Target(
            f"cost per event within 10 % from an empty ledger to a million rows, {_name}",
            _ratio("backlog", ("empty", "1,000,000"), _engine, "cost_us"),
            1.1,
            "×",
            False,
        ),
        Target(
            f"memory flat with a backlog of a million, {_name}",
            _ratio("drain", ("backlog as small", "backlog of"), _engine, "memory_mb"),
            1.1,
            "×",
            False,
        ),
    ]
