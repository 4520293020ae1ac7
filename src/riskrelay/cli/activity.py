"""Commands on activity. They need no service."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from riskrelay.cli.output import JsonFlag, fail, print_table, say, show

if TYPE_CHECKING:
    from riskrelay.core.risk.activity import Activity
    from riskrelay.core.risk.backtesting import Backtest
    from riskrelay.core.risk.networks import Networks
    from riskrelay.core.risk.speeds import TravelLimits

app = typer.Typer(help="Activity: logins and DLP hits.", no_args_is_help=True)

_MAX_EVENTS = 2_000_000  # guessed: about a gigabyte of memory
_SHOWN = 50  # findings that a person reads


class _Read(msgspec.Struct):
    """What was read of a file.

    Attributes:
        left_out: how many events became no activity, by reason.
    """

    activities: list[Any]
    left_out: Counter[str]


@app.command(epilog="Example: riskrelay activity backtest okta.ndjson --kind okta_system_log")
def backtest(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, readable=True, help="One JSON object per line, of any age."),
    ],
    kind: Annotated[
        str | None,
        typer.Option(help="The kind of source that wrote the file. Default: activity in the format of riskrelay."),
    ] = None,
    detection: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Settings to try: a file from `riskrelay detection show --json`."
        ),
    ] = None,
    networks: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Trusted networks: a file from `riskrelay network list --json`."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what detection would find in a log. Nothing is stored, and no service is needed.

    RISKRELAY_GEOIP gives places to events that name only an address.
    """
    from riskrelay.cli.database import log_to_standard_error
    from riskrelay.core.risk.backtesting import backtest as run

    log_to_standard_error()
    limits, trusted = _settings(detection, networks)
    read = _read_own(file) if kind is None else asyncio.run(_read_kind(file, kind))
    _locate(read.activities)
    result = run(read.activities, limits, trusted)
    shown = {**msgspec.to_builtins(result), "left_out": dict(sorted(read.left_out.items()))}
    show(shown, as_json, lambda: _render(result, read.left_out))


def _settings(detection: Path | None, networks: Path | None) -> "tuple[TravelLimits, Networks]":
    """Read the settings to try; the defaults where no file is given."""
    from riskrelay.core.errors import Invalid
    from riskrelay.core.risk.networks import Networks
    from riskrelay.core.risk.speeds import TravelLimits
    from riskrelay.web.account_api.bodies import parse
    from riskrelay.web.account_api.detection import DETECTION, NETWORKS

    limits, trusted = TravelLimits(), Networks(())
    for path in (detection, networks):
        if path is None:
            continue
        try:
            if path is detection:
                limits = parse(DETECTION, path.read_bytes()).over(limits)
            else:
                trusted = Networks(one.network() for one in parse(NETWORKS, path.read_bytes()).networks)
        except Invalid as error:
            fail(f"{path}:", *(f"{fault.pointer or 'the file'}: {fault.message}" for fault in error.faults))
    return limits, trusted


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if number > _MAX_EVENTS:
                fail(f"{file} has more than {_MAX_EVENTS:,} lines; split it by user or by month")
            if stripped := line.removeprefix(b"\xef\xbb\xbf").strip():
                yield number, stripped


def _read_own(file: Path) -> _Read:
    """Read activity as POST /activity takes it."""
    from riskrelay.core.errors import Invalid
    from riskrelay.web.account_api.activity import read_activity

    activities: list[Activity] = []
    for number, line in _lines(file):
        try:
            activity = read_activity(line)
        except Invalid as error:
            faults = (f"{fault.pointer or 'the line'}: {fault.message}" for fault in error.faults)
            fail(f"line {number:,} cannot be read", *faults)
        if activity is None:
            fail(f"line {number:,} is an event of OCSF", "Add --kind ocsf.")
        activities.append(activity)
    return _Read(activities, Counter())


async def _read_kind(file: Path, kind: str) -> _Read:
    """Read events of a product by the shipped mapping of its kind."""
    from riskrelay.core.sources.content import decode_events
    from riskrelay.core.sources.signals import Ignored, Refused
    from riskrelay.local.clock import SystemClock
    from riskrelay.mapping.mapping_pool import MappingPool
    from riskrelay.mapping.shipped import shipped_mapping, shipped_texts

    if kind not in shipped_texts():
        fail(f"unknown kind {kind}", f"Known kinds: {', '.join(shipped_texts())}.")
    pool = MappingPool(SystemClock())
    activities: list[Activity] = []
    left_out: Counter[str] = Counter()
    try:
        for part in _parts([line for _, line in _lines(file)]):
            events = decode_events(b"\n".join(part))
            left_out.update(one.reason.value for one in events if isinstance(one, Ignored | Refused))
            usable = [one for one in events if not isinstance(one, Ignored | Refused)]
            for mapped in await pool.map(shipped_mapping(kind), usable):
                became = _activity(mapped, kind)
                if isinstance(became, str):
                    left_out[became] += 1
                else:
                    activities.append(became)
    finally:
        pool.close()
    return _Read(activities, left_out)


def _parts(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(lines), 1_000):
        yield lines[start : start + 1_000]


def _activity(mapped: Any, kind: str) -> "Activity | str":
    """The activity that an event of a source is, or the reason why it is none."""
    from datetime import UTC, datetime, timedelta
    from hashlib import sha256

    from riskrelay.core.risk.activity import Activity, ActivityId, DlpHit
    from riskrelay.core.risk.findings import UserRef
    from riskrelay.core.sources.logins import login_of
    from riskrelay.core.sources.signals import FindingSignal, Ignored, Refused

    if isinstance(mapped, Ignored | Refused):
        return mapped.reason.value
    if isinstance(mapped, FindingSignal):
        return "finding"
    if not mapped.identities:
        return "unknown_user"
    if mapped.at_ms is None:
        return "no_time"
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=mapped.at_ms)
    seen = DlpHit(at, mapped.policy) if mapped.activity == "dlp_hit" else login_of(mapped, at, kind)
    return Activity(
        activity_id=ActivityId(mapped.event_id),
        user=UserRef(mapped.identities[0]),
        seen=seen,
        digest=sha256(mapped.event_id.encode()).digest(),
    )


def _locate(activities: "list[Activity]") -> None:
    """Give places to logins that name only an address, if there are databases."""
    from dataclasses import replace

    from riskrelay.core.risk.activity import Login
    from riskrelay.core.risk.places import located
    from riskrelay.local.geolocation import GeolocationFiles
    from riskrelay.settings import read_settings

    paths = read_settings().geoip
    if not paths:
        return
    files = GeolocationFiles(paths)
    files.refresh()
    for number, activity in enumerate(activities):
        login = activity.seen
        place = files.locate(login.ip) if isinstance(login, Login) and login.ip is not None else None
        if place is not None and isinstance(login, Login):
            activities[number] = replace(activity, seen=located(login, place))


def _render(result: "Backtest", left_out: Counter[str]) -> None:
    rows = [
        {"timestamp": one.timestamp, "user": one.email, "behavior": one.behavior, "what": _what(one.details)}
        for one in result.found[:_SHOWN]
    ]
    print_table(rows, "No findings.")
    if len(result.found) > _SHOWN:
        say("and {:,} more; --json lists all", len(result.found) - _SHOWN)
    say(
        "Findings: {:,}. Logins: {:,}. DLP hits: {:,}. Users: {:,}.",
        len(result.found),
        result.logins,
        result.dlp_hits,
        result.users,
    )
    for reason, count in sorted(result.exempt.items()):
        say("  Logins not used ({}): {:,}", reason.value, count)
    for why, count in sorted(left_out.items()):
        say("  Events that are not activity ({}): {:,}", why, count)


def _what(details: Any) -> str:
    if "hits" in details:
        return f"{details['hits']} DLP hits from {details['first_at']} to {details['last_at']}"
    earlier, later = details["logins"]
    return (
        f"{_where(earlier)} → {_where(later)}: {details['distance_km']:,.0f} km in {round(details['hours'] * 60):,} min"
    )


def _where(login: Any) -> str:
    city: str = login.get("city") or f"{login['latitude']:.2f}, {login['longitude']:.2f}"
    return city
