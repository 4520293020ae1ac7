"""`riskrelay receive`: a receiver that verifies what arrives and shows it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskrelay.cli.output import JsonFlag, errors, explained, fail, say, show

if TYPE_CHECKING:
    from riskrelay.receiver import OnEvent, SecurityEventToken


def receive(
    well_known: Annotated[str, typer.Option(help="The integration's well_known_url.")],
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8701,
    audience: Annotated[
        str | None, typer.Option(help="The `aud` to expect. Default: http://127.0.0.1:PORT, as tenant_url.")
    ] = None,
    status: Annotated[int | None, typer.Option(min=100, max=599, help="Misbehave: always answer this.")] = None,
    delay_ms: Annotated[int, typer.Option(min=0, help="Misbehave: answer this much later.")] = 0,
    log: Annotated[Path | None, typer.Option(help="Append one JSON object for each verified event.")] = None,
    poll: Annotated[
        str | None, typer.Option(help="Fetch SETs from this URL (a stream's delivery.endpoint_url), listen nowhere.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="RISKRELAY_RECEIVER_TOKEN", help="The receiver's token, for polling. Better set than typed."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Receive SETs: fetch the transmitter's metadata and keys, verify each SET, print it."""
    import uvloop

    from riskrelay.cli.serving import Ports, run_app
    from riskrelay.receiver import Misbehaviour, receiver_app

    expected = audience or f"http://127.0.0.1:{port}"

    async def on_event(token: "SecurityEventToken") -> None:
        entry = _entry(token)
        show(entry, as_json, lambda: _print_line(entry))
        if log is not None:
            await asyncio.to_thread(_append, log, entry)

    if poll is not None:
        _fetch(well_known, poll, token, audience, on_event)
        return
    misbehaviour = Misbehaviour(status, timedelta(milliseconds=delay_ms)) if status or delay_ms else None
    app = receiver_app(well_known_url=well_known, audience=expected, on_event=on_event, misbehaviour=misbehaviour)
    say("Waiting for SETs from [bold]{}[/]\n  at http://127.0.0.1:{}", well_known, port, to=errors)
    with explained():
        uvloop.run(run_app(app, Ports("127.0.0.1", port)))


def _fetch(well_known: str, poll: str, token: str | None, audience: str | None, on_event: "OnEvent") -> None:
    """Poll until something refuses or the user ends it."""
    import uvloop

    from riskrelay.receiver import PollRefused, poll_events

    if token is None or audience is None:
        fail("polling needs the receiver's token (RISKRELAY_RECEIVER_TOKEN) and --audience, the stream's aud")
    say("Polling [bold]{}[/]", poll, to=errors)
    try:
        uvloop.run(
            poll_events(well_known_url=well_known, endpoint_url=poll, token=token, audience=audience, on_event=on_event)
        )
    except PollRefused as error:
        fail(str(error))


def _entry(token: "SecurityEventToken") -> dict[str, Any]:
    """What the log keeps of a verified event."""
    event = token.event
    subject = token.sub_id or {}
    return {
        "received_at": datetime.now(UTC).isoformat(),
        "jti": token.jti,
        "txn": token.txn,
        "kid": token.kid,
        "event_type": token.event_type,
        "subject": subject.get("email", json.dumps(subject)),
        "event": dict(event),
        "previous_level": event.get("previous_level"),
        "current_level": event.get("current_level"),
        "reason": _english(event.get("reason_admin")),
    }


def _english(reason: Any) -> str | None:
    """The English message of a language-tagged map, of a transmitter that may send anything."""
    message = reason.get("en") if isinstance(reason, dict) else None
    return message if isinstance(message, str) else None


def _print_line(entry: dict[str, Any]) -> None:
    what, level = entry["event_type"].rpartition("/")[2], ""
    if entry["current_level"] is not None:
        what, level = f"{entry['previous_level']} → ", entry["current_level"]
    shown = entry["received_at"][11:23], entry["subject"], what, level, entry["reason"] or "", entry["jti"][:8]
    say("{} [green]verified[/] {}: {}[bold]{}[/]  {} [dim]jti {}[/]", *shown)


def _append(log: Path, entry: dict[str, Any]) -> None:
    with log.open("a") as file:
        file.write(json.dumps(entry) + "\n")
