"""What ten rules of an account cost: findings in batches, with and without them."""

import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from riskrelay.bench.installation import Installation
from riskrelay.bench.receiver import BenchReceiver
from riskrelay.bench.scenarios import BATCH, Measured, Place

_HOUR = 3_600
_RULES = [
    ("Three lows of different behaviors", 24, '$count($distinct(findings[level="low"].behavior)) >= 3', "medium"),
    ("Two mediums", 24, '$count(findings[level="medium"]) >= 2', "high"),
    ("Five findings", 24, "$count(findings) >= 5", "high"),
    ("Travel and a file", 24, '"imp_travel" in findings.behavior and "malicious_file" in findings.behavior', "high"),
    ("Many domains", 24, '$count(findings[behavior="suspicious_domain"]) > 3', "medium"),
    ("Two highs", 168, '$count(findings[level="high"]) >= 2', "high"),
    ("Low scores", 168, '$count(findings[behavior="crowdstrike_low_zta"]) >= 3', "high"),
    ("Ten findings", 168, "$count(findings) >= 10", "high"),
    ("Burst of ranks", 1, "$count(findings) > 1 and $sum(findings.rank) >= 6", "high"),
    ("Repeated behavior", 1, "$count(findings) > $count($distinct(findings.behavior))", "medium"),
]
"""Of three different times, as ten typical rules."""
_TURNS = 2  # without and with rules, so that both see the same machine
_LEAST_BATCHES = 2


async def rule_costs(place: Place, findings: int) -> list[Measured]:
    """Measure the cost of findings about new users, until their rules are evaluated. Events are queued for a paused
    integration: a process that does not deliver evaluates no rules.

    Args:
        findings: for each of the variants, in batches of 1,000.
    """
    batches = max(findings // BATCH // _TURNS, _LEAST_BATCHES)
    variants: dict[str, Sequence[tuple[str, int, str, str]]] = {"without rules": (), "with ten rules": _RULES}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    async with Installation(
        place.directory, place.database_url, workers=0, accounts=_TURNS * len(variants)
    ) as installation:
        await installation.start()
        await installation.prepare(BenchReceiver(place.receiver_command))
        accounts = iter(installation.accounts)
        for _ in range(_TURNS):
            for name, rules in variants.items():
                taken[name].append(await _cost(installation, next(accounts), rules, batches))
    return [
        Measured(
            scenario="rules",
            engine=installation.engine,
            workers=0,
            variant=name,
            figures={figure: sum(one[figure] for one in some) / len(some) for figure in some[0]},
        )
        for name, some in taken.items()
    ]


async def _cost(
    installation: Installation, account_id: Any, rules: Sequence[tuple[str, int, str, str]], batches: int
) -> dict[str, float]:
    """Return the figures of one account, whose processes have evaluated its rules before."""
    base = f"/accounts/{account_id}/zt_risk_scoring"
    for integration in await installation.call("GET", f"{base}/integrations"):
        await installation.call("POST", f"{base}/integrations/{integration['id']}/pause", {})
    for name, hours, when, level in rules:
        body = {"name": name, "within_seconds": hours * _HOUR, "when": when, "level": level}
        await installation.call("POST", f"{base}/rules", body)
    target = installation.target(account_id)
    names = count()

    def batch() -> bytes:
        return target.batch([f"{account_id}-{next(names)}@bench.example" for _ in range(BATCH)])

    async with installation.load() as load:
        await load.closed_loop(iter([batch()]), 1)
        await installation.calm()
        requests = [batch() for _ in range(batches)]
        used, began = installation.cpu_seconds(), time.perf_counter()
        await load.closed_loop(iter(requests), 1)
        seconds = time.perf_counter() - began
        await installation.calm()
    return {
        "findings_per_s": batches * BATCH / seconds,
        "service_cpu_us": (installation.cpu_seconds() - used) / batches / BATCH * 1e6,
    }
