"""The audit log: each change, its actor, and the changed object by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.risk.behaviors import name_of, settings_with
from riskrelay.ports import Services, Transaction
from riskrelay.web.console.csv_files import csv_response
from riskrelay.web.console.lists import TIME_RANGE, Choice, limit_of, page_of, since_of, wants_csv
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.paging import Moment, Text, place_of, read_place, split
from riskrelay.web.console.visits import Visit

_KIND = Choice(
    name="kind", label="Object", words={"": "any object", **{one.value: one.value.replace("_", " ") for one in Kind}}
)
_VERB = Choice(name="verb", label="Change", words={"": "any change", **{one.value: one.value for one in Verb}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """The changed object, as a page names it.

    Attributes:
        href: its page; empty: it has none.
    """

    name: str
    href: str


class AuditScreens:
    """The handler of the audit log."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the entries that the filters match, newest first."""
        kind, verb = _KIND.chosen(visit.query), _VERB.chosen(visit.query)
        since = since_of(visit.query, self._services.clock.now())
        after = read_place(visit.query.get("after"), tuple[Moment, Text])
        limit = limit_of(visit)

        def read(tx: Transaction) -> tuple[list[AuditEntry], Mapping[tuple[Kind, str], Thing]]:
            found = tx.audit.page(
                Kind(kind) if kind else None, after, limit, verb=Verb(verb) if verb else None, since=since
            )
            return found, _things(tx, visit)

        found, things = await self._services.store.read(visit.account, read)
        tokens = await self._services.store.read_installation(lambda tx: tx.tokens.of(visit.account))
        things = {**things, **{(Kind.TOKEN, token.token_id): Thing(name=token.name, href="") for token in tokens}}
        page, last = split(found, limit - 1)
        if wants_csv(visit):
            return _file(page, things)
        older = None if last is None else place_of(last.at, last.entry_id)
        view = page_of(visit, page, older, choices=[_KIND, _VERB, TIME_RANGE])
        return self._pages.page(visit, "audit.html", view=view, things=things)


def _things(tx: Transaction, visit: Visit) -> Mapping[tuple[Kind, str], Thing]:
    """Return the objects of the account that have a name."""
    integrations = {
        (Kind.INTEGRATION, str(one.integration_id)): Thing(
            name=one.reference_id, href=account_path(visit.account, "integrations", one.integration_id)
        )
        for one in tx.integrations.all()
    }
    sources = {
        (Kind.SOURCE, str(one.source_id)): Thing(
            name=one.name, href=account_path(visit.account, "sources", one.source_id)
        )
        for one in tx.sources.all()
    }
    settings = settings_with(tx.behaviors.stored())
    path = account_path(visit.account, "behaviors")
    behaviors = {(Kind.BEHAVIOR, str(one)): Thing(name=name_of(one, settings), href=path) for one in settings}
    return {**integrations, **sources, **behaviors, **_settings(tx, visit)}


def _settings(tx: Transaction, visit: Visit) -> Mapping[tuple[Kind, str], Thing]:
    """Return the rules, exceptions and channels. What an exception covers identifies a user."""
    rules, exceptions, channels = (
        account_path(visit.account, *parts) for parts in (("rules",), ("exceptions",), ("settings", "notifications"))
    )
    covered = tx.exceptions.all() if visit.may_see_subjects else []
    return {
        **{
            (Kind.RULE, str(rule.rule_id)): Thing(name=rule.name, href=f"{rules}/{rule.rule_id}")
            for rule, _ in tx.rules.all()
        },
        **{
            (Kind.EXCEPTION, str(one.exception_id)): Thing(name=one.covered, href=f"{exceptions}/{one.exception_id}")
            for one in covered
        },
        **{
            (Kind.CHANNEL, str(one.channel.channel_id)): Thing(
                name=one.channel.name, href=f"{channels}/{one.channel.channel_id}"
            )
            for one in tx.channels.all()
        },
    }


def _file(entries: Sequence[AuditEntry], things: Mapping[tuple[Kind, str], Thing]) -> Response:
    none = Thing(name="", href="")
    return csv_response(
        "audit",
        {
            "Time": lambda entry: entry.at,
            "Actor": lambda entry: entry.actor.name,
            "Change": lambda entry: entry.verb.value,
            "Object": lambda entry: entry.kind.value,
            "Name": lambda entry: things.get((entry.kind, entry.thing_id), none).name,
            "Object ID": lambda entry: entry.thing_id,
            "Note": lambda entry: entry.note,
            "Address": lambda entry: entry.actor.address or "command line",
        },
        entries,
    )
