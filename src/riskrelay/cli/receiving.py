"""`riskrelay receive`: a receiver that verifies what arrives and shows it."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskrelay.cli.output import JsonFlag, errors, explained, fail, say, show

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from riskrelay.cli.tls import TlsPair
    from riskrelay.receiver import OnEvent, SecurityEventToken
    from riskrelay.receiver.inbox import Audience


def receive(
    well_known: Annotated[str, typer.Option(help="The integration's well_known_url.")],
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8701,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    path: Annotated[str, typer.Option(help="Path to receive SETs at.")] = "/security/api/v1/security-events",
    authorization: Annotated[
        str | None,
        typer.Option(
            envvar="RISKRELAY_RECEIVER_AUTHORIZATION", help="Accept only pushes with this Authorization header."
        ),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Serve https with this certificate chain (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key (PEM).")] = None,
    audience: Annotated[
        str | None,
        typer.Option(help="The `aud` claim to expect: the integration's tenant_url. Default: http://127.0.0.1:PORT."),
    ] = None,
    status: Annotated[
        int | None, typer.Option(min=100, max=599, help="For tests: always return this HTTP status.")
    ] = None,
    delay_ms: Annotated[int, typer.Option(min=0, help="For tests: delay each response by this many milliseconds.")] = 0,
    log: Annotated[
        Path | None, typer.Option(help="Append one JSON object for each verified event to this file.")
    ] = None,
    poll: Annotated[
        str | None,
        typer.Option(help="Poll SETs from this URL (a stream's delivery.endpoint_url) instead of listening."),
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Create a stream, verify it, and delete it at the end.")
    ] = False,
    delivery: Annotated[str, typer.Option(help="With --register: push or poll.")] = "push",
    endpoint_url: Annotated[
        str | None,
        typer.Option(
            help="With --register: URL that the transmitter pushes to. Default: the URL that this command listens on."
        ),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="With --register: an event type to request. Repeat the option for more. Default: the CAEP event types."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="RISKRELAY_RECEIVER_TOKEN",
            help="The receiver's token, for polling and registering. Prefer the environment variable.",
        ),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(envvar="RISKRELAY_RECEIVER_CLIENT_ID", help="With --register: id of an OAuth client.")
    ] = None,
    client_secret: Annotated[
        str | None,
        typer.Option(
            envvar="RISKRELAY_RECEIVER_CLIENT_SECRET",
            help="The OAuth client's secret. Prefer the environment variable.",
        ),
    ] = None,
    token_endpoint: Annotated[
        str | None, typer.Option(help="The OAuth token endpoint. Default: the one in the transmitter's metadata.")
    ] = None,
    scope: Annotated[str, typer.Option(help="The OAuth scope to request. If empty, none is requested.")] = "ssf.manage",
    as_json: JsonFlag = False,
) -> None:
    """Run a receiver: fetch the transmitter's metadata and keys, verify each SET, and print it."""
    import uvloop

    from riskrelay.cli.registering import Registering, receive_polls, receive_pushes, run_registered
    from riskrelay.cli.serving import Ports, run_app
    from riskrelay.receiver import Misbehaviour, StreamCredentials, receiver_app
    from riskrelay.receiver.registration import PUSH

    async def on_event(token: "SecurityEventToken") -> None:
        entry = _entry(token)
        show(entry, as_json, lambda: _print_line(entry))
        if log is not None:
            await asyncio.to_thread(_append, log, entry)

    if delivery not in ("push", "poll") or not path.startswith("/"):
        fail("--delivery must be push or poll, and --path must begin with /")
    if poll is not None and not register:
        _fetch(well_known, poll, token, audience, on_event=on_event)
        return
    credentials = StreamCredentials(
        token=token, client_id=client_id, client_secret=client_secret, token_endpoint=token_endpoint, scope=scope
    )
    registering = Registering(well_known=well_known, credentials=credentials, events=event or (), on_event=on_event)
    if register and token is None and (client_id is None or client_secret is None):
        fail("--register requires the receiver's token (RISKRELAY_RECEIVER_TOKEN), or --client-id and --client-secret")
    if register and delivery == "poll":
        run_registered(receive_polls(registering))
        return

    def stray(method: str, asked: str) -> None:
        say("[bold yellow]404[/] {} {}: SETs are received by POST {}", method, asked, path, to=errors)

    def make_app(expected: "Audience", on_event: "OnEvent") -> "Starlette":
        return receiver_app(
            well_known_url=well_known,
            audience=expected,
            on_event=on_event,
            path=path,
            authorization=authorization,
            misbehaviour=Misbehaviour(status, timedelta(milliseconds=delay_ms)) if status or delay_ms else None,
            on_stray=stray,
        )

    with explained():
        tls = _tls(tls_cert, tls_key)
        origin = f"{'http' if tls is None else 'https'}://{host}:{port}"
        say("Waiting for SETs from [bold]{}[/]\n  at {}{}", well_known, origin, path, to=errors)
        if not register:
            _check_transmitter(well_known)
            app = make_app(audience or f"http://127.0.0.1:{port}", on_event)
            uvloop.run(run_app(app, Ports(host=host, port=port, tls=tls)))
            return
        authorization = authorization or f"Bearer {secrets.token_urlsafe(32)}"  # `make_app` reads it
        push = {"method": PUSH, "endpoint_url": endpoint_url or origin + path, "authorization_header": authorization}
        run_registered(receive_pushes(registering, push, make_app, Ports(host=host, port=port, tls=tls)))


def _tls(certificate: Path | None, key: Path | None) -> "TlsPair | None":
    """Raises: Misconfigured: one of the two is missing, or they cannot be used."""
    from riskrelay.cli.tls import checked_pair

    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        fail("--tls-cert and --tls-key must be used together")
    return checked_pair(certificate, key, ("--tls-cert", "--tls-key"))


def _check_transmitter(well_known: str) -> None:
    """End with the reason when what answers there is no transmitter; one that is not up yet is waited for."""
    import aiohttp

    from riskrelay.receiver import NoTransmitter, TransmitterUnavailable
    from riskrelay.receiver.transmitter import fetch_metadata

    async def fetch() -> None:
        async with aiohttp.ClientSession() as session:
            await fetch_metadata(session, well_known)

    try:
        asyncio.run(fetch())
    except NoTransmitter as error:
        fail(str(error))
    except TransmitterUnavailable as error:
        say("[bold yellow]warning:[/] {}; the command retries when a SET arrives", error, to=errors)


def _fetch(well_known: str, poll: str, token: str | None, audience: str | None, on_event: "OnEvent") -> None:
    """Poll until something refuses or the user ends it."""
    import uvloop

    from riskrelay.receiver import PollRefused, poll_events

    if token is None or audience is None:
        fail("polling requires the receiver's token (RISKRELAY_RECEIVER_TOKEN) and --audience, the stream's aud")
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
