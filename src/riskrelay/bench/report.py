"""Report the results next to the limits of the machine."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from riskrelay.bench.limits import Limits
from riskrelay.bench.scenarios import Measured

LABELS = {
    "findings_per_s": "findings accepted",
    "source_events_per_s": "events of a source accepted",
    "of_findings": "of the findings in batches of the same run",
    "memory_growth_mb": "more memory in the second half",
    "alone_p99_ms": "p99 of another account before",
    "beside_p99_ms": "p99 of another account during the load",
    "of_alone_p99": "of the p99 without it",
    "of_alone_p50": "of the p50 without it",
    "request_s": "for one large request",
    "events_per_s": "events accepted, signed, pushed and settled",
    "replayed_per_s": "events replayed",
    "of_delivery": "of the rate of their acceptance and delivery",
    "p50_ms": "p50",
    "p99_ms": "p99",
    "p99_9_ms": "p99.9",
    "max_ms": "longest",
    "service_cpu_us": "of CPU per item in the service",
    "client_cpu_us": "of CPU per item in the measuring client",
    "service_cores": "cores used by the service",
    "client_cores": "cores used by the measuring client",
    "memory_mb": "memory of the processes",
    "cost_us": "per event",
    "of_signatures": "of OpenSSL's signature rate",
    "of_pushes": "of the pushes to a constant response",
    "of_fsyncs": "of the durable writes",
    "of_floor": "p50 as a share of the floor",
}
"""What the figures are, for people."""
FLOOR_LABELS = {
    "write_ms": "one durable write of 4 KiB",
    "rs256_ms": "one RS256 signature (RSA-2048)",
    "es256_ms": "one ES256 signature (P-256)",
    "exchange_ms": "one push to a constant response",
    "python_ms": "a fixed piece of pure Python",
    "floor_ms": "the floor of a delivery: write, RS256 signature and push",
}
"""What the parts of the floor are, for people."""


def machine() -> dict[str, Any]:
    """Return a description of this machine."""
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "python": platform.python_version(),
    }


def document(limits: Limits, receiver: str, measured: Sequence[Measured]) -> dict[str, Any]:
    """Return the report as JSON values.

    Args:
        receiver: the programming language of the receiver.
    """
    return {
        "machine": machine(),
        "receiver": receiver,
        "limits": asdict(limits),
        "measured": [{**asdict(one), "ratios": ratios(one, limits)} for one in measured],
    }


def ratios(measured: Measured, limits: Limits) -> dict[str, float]:
    """Return the figures of a scenario as shares of the machine's limits."""
    if measured.scenario == "sustained":
        signatures = limits.rs256 if measured.variant == "RS256" else limits.es256
        rate = measured.figures["events_per_s"]
        found = {"of_pushes": rate / limits.pushes}
        return found if signatures is None else {"of_signatures": rate / signatures, **found}
    if measured.scenario == "latency":
        return {"of_floor": measured.figures["p50_ms"] / limits.floor.floor_ms}
    if measured.scenario == "ingest" and measured.variant.startswith("single"):
        return {"of_fsyncs": measured.figures["findings_per_s"] / limits.fsyncs}
    return {}


def figure(name: str, value: float) -> str:
    """Return a figure as text, with the unit from the end of its name."""
    if name.endswith("_ms"):
        return f"{value:,.1f} ms" if value >= 1 else f"{value:.2f} ms"
    if name.endswith("_per_s"):
        return f"{value:,.0f}/s"
    if name.endswith("_us"):
        return f"{value:,.0f} µs"
    if name.endswith("_mb"):
        return f"{value:,.0f} MB"
    return f"{value:.0%}" if name.startswith("of_") else f"{value:,.2f}"
