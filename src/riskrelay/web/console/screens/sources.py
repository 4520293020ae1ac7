"""Sources: their state, the results of their events, and their mappings."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml
from msgspec.structs import replace
from starlette.responses import Response

from riskrelay.actions.record_signals import Signals, try_events
from riskrelay.actions.sources import (
    Issued,
    OpenedSample,
    WantedSource,
    change_source,
    check_mapping,
    create_source,
    delete_source,
    issue_credential,
    mapping_in_use,
    read_samples,
    replay_samples,
)
from riskrelay.core.errors import Fault, FaultKind, Invalid, found
from riskrelay.core.sources.content import TooMuchContentError, decode_events
from riskrelay.core.sources.outcomes import words
from riskrelay.core.sources.reasons import sentence
from riskrelay.core.sources.signals import Ignored, Refused
from riskrelay.core.sources.sources import (
    COUNTED_FOR,
    Became,
    Counts,
    CredentialKind,
    Source,
    SourceCredential,
    SourceId,
    state_of,
    total,
)
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.source_events import rendered_attempt
from riskrelay.web.account_api.sources import CreateBody, UpdateBody
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.lists import wants_csv
from riskrelay.web.console.named import id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.source_rows import RESULTS, SOURCES, source_rows
from riskrelay.web.console.visits import Visit

_CREDENTIALS = {
    "header": "A secret in the Authorization header",
    "path": "A secret at the end of the address",
    "signature": "A signature (HMAC) of each body, as GitHub sends it",
}
"""What a page says for each kind of credential."""


class SourceScreens:
    """The handlers of sources.

    Args:
        public_origin: the origin at which senders reach this service.
    """

    def __init__(self, services: Services, pages: Pages, signals: Signals, public_origin: str) -> None:
        self._services = services
        self._pages = pages
        self._signals = signals
        self._public_origin = public_origin

    async def show_all(self, visit: Visit) -> Response:
        """Show all sources with their states, and a form for a new one."""
        return await self._list(visit)

    async def create(self, visit: Visit) -> Response:
        """Create a source. Only this page shows its secret."""
        fields: dict[str, Any] = {name: visit.form.get(name, "").strip() for name in ("kind", "name", "credential")}
        try:
            body = read_fields(CreateBody, fields)
            mapping = _read_document(visit.form.get("mapping", ""))
            wanted = WantedSource(kind=body.kind, name=body.name, mapping=mapping, credential=body.credential)
            created = await create_source(self._services, self._signals, visit.account, visit.actor, wanted=wanted)
        except Invalid as error:
            return await self._list(visit, problems_of(error), 400)
        return await self._page(visit, created.source.source_id, issued=created.issued)

    async def show(self, visit: Visit) -> Response:
        """Show one source."""
        return await self._page(visit, _source_id(visit))

    async def update(self, visit: Visit) -> Response:
        """Change the name of a source, and whether it is active."""
        source_id, is_active = _source_id(visit), "active" in visit.form
        try:
            body = read_fields(UpdateBody, {"name": visit.form.get("name", "").strip()})
        except Invalid as error:
            return await self._page(visit, source_id, problems=problems_of(error), status=400)
        await change_source(
            self._services,
            visit.account,
            visit.actor,
            source_id,
            change=lambda source: replace(source, name=body.name or source.name, active=is_active),
        )
        return self._see(visit, source_id, "saved")

    async def map(self, visit: Visit) -> Response:
        """Set the account's own mapping. An empty one restores the shipped mapping."""
        source_id = _source_id(visit)
        try:
            given = _read_document(visit.form.get("mapping", ""))
            document = None if given is None else await check_mapping(self._signals, visit.account, given)
            content = None if document is None else document.content
            await change_source(
                self._services,
                visit.account,
                visit.actor,
                source_id,
                change=lambda source: replace(source, mapping=content),
            )
        except Invalid as error:
            return await self._page(visit, source_id, problems=problems_of(error), status=400)
        return self._see(visit, source_id, "saved")

    async def rotate(self, visit: Visit) -> Response:
        """Replace the credentials of one kind by a new one. Only this page shows its secret."""
        word = visit.form.get("kind", "")
        kind = CredentialKind(word) if word in list(CredentialKind) else CredentialKind.HEADER
        source_id = _source_id(visit)
        _, issued = await issue_credential(
            self._services, self._signals, visit.account, visit.actor, source_id=source_id, kind=kind, is_only=True
        )
        return await self._page(visit, source_id, issued=issued)

    async def attempt(self, visit: Visit) -> Response:
        """Show the results that pasted events would have. Nothing is stored."""
        source_id, text = _source_id(visit), visit.form.get("events", "")
        source = found(await self._services.store.read(visit.account, lambda tx: tx.sources.get(source_id)))
        try:
            events = decode_events(text.encode())
        except TooMuchContentError as error:
            return await self._page(visit, source_id, problems={"events": f"at most {error}"}, status=400)
        prepared = await try_events(self._services, self._signals, source, events)
        tried = rendered_attempt(prepared, len(events), is_shown=visit.may_see_subjects)
        return await self._page(visit, source_id, tried=tried)

    async def replay(self, visit: Visit) -> Response:
        """Process the samples as new events."""
        source_id = _source_id(visit)
        await replay_samples(self._services, self._signals, visit.account, visit.actor, source_id=source_id)
        return self._see(visit, source_id, "samples-replayed")

    async def delete(self, visit: Visit) -> Response:
        """Delete a source."""
        await delete_source(self._services, visit.account, visit.actor, _source_id(visit))
        return self._pages.see(account_path(visit.account, "sources"), done="source-deleted")

    def _see(self, visit: Visit, source_id: SourceId, done: str) -> Response:
        return self._pages.see(account_path(visit.account, "sources", source_id), done=done)

    async def _list(self, visit: Visit, problems: Mapping[str, str] | None = None, status: int = 200) -> Response:
        now = self._services.clock.now()
        rows = await self._services.store.read(visit.account, lambda tx: source_rows(tx, now))
        if wants_csv(visit):
            return SOURCES.csv(visit, rows, now)
        return self._pages.page(
            visit,
            "sources.html",
            status,
            view=SOURCES.view(visit, rows, now),
            results=list(Became),
            kinds=sorted(self._signals.mapper.shipped),
            credentials=list(CredentialKind),
            credential_words=_CREDENTIALS,
            problems=problems or {},
            filled=visit.form,
        )

    async def _page(
        self,
        visit: Visit,
        source_id: SourceId,
        *,
        issued: Issued | None = None,
        problems: Mapping[str, str] | None = None,
        tried: Sequence[Mapping[str, Any]] | None = None,
        status: int = 200,
    ) -> Response:
        now = self._services.clock.now()

        def read(tx: Transaction) -> tuple[Source, Counts, list[SourceCredential]]:
            source = found(tx.sources.get(source_id))
            counts = tx.sources.counts(now - COUNTED_FOR, source_id).get(source_id, {})
            return source, counts, tx.sources.credentials(source_id)

        source, counts, credentials = await self._services.store.read(visit.account, read)
        samples = await self._samples(visit, source_id)
        document = msgspec.json.decode(mapping_in_use(self._signals, source).content)
        base = f"{self._public_origin}/accounts/{source.account_id}/zt_risk_scoring/sources/{source_id}"
        return self._pages.page(
            visit,
            "source.html",
            status,
            source=source,
            state=state_of(source, counts, now).value,
            figures=[(RESULTS[kind.value], total(counts, (kind,))) for kind in Became],
            reasons=[
                (became.value, reason.value, sentence(reason), count)
                for (became, reason), count in sorted(counts.items(), key=lambda one: -one[1])
                if reason is not None
            ],
            credentials=credentials,
            kinds=list(CredentialKind),
            credential_words=_CREDENTIALS,
            samples=samples,
            mapping=visit.form.get("mapping") or yaml.safe_dump(document, sort_keys=False, allow_unicode=True),
            events_url=f"{base}/events",
            issued=issued,
            tried=tried,
            problems=problems or {},
            filled=visit.form,
        )

    async def _samples(self, visit: Visit, source_id: SourceId) -> list[tuple[OpenedSample, str, str]]:
        """Return samples with explanations of their reasons, and with their events if the session may see users."""
        if not visit.may_see_subjects:
            return []
        opened = await read_samples(self._services, self._signals, visit.account, source_id)
        return [(one, _words(one), msgspec.json.format(msgspec.json.encode(one.event)).decode()) for one in opened]


def _words(one: OpenedSample) -> str:
    kind = Ignored if one.sample.became is Became.IGNORED else Refused
    return words(kind(reason=one.sample.reason, detail=one.sample.detail))


def _read_document(text: str) -> object:
    """Read a mapping from a form; None: it is empty.

    Raises: Invalid: the text is not YAML.
    """
    if not text.strip():
        return None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place is not None else ""
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "/mapping", f"is not YAML{where}")]) from None


def _source_id(visit: Visit) -> SourceId:
    return SourceId(id_of(visit, "source_id"))
