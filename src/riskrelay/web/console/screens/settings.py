"""Settings: the account's tokens, and the health of the installation."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from pydantic import TypeAdapter
from starlette.responses import Response

from riskrelay.actions.tokens import create_token, revoke_token
from riskrelay.core.credentials import Scope, StoredToken, TokenId
from riskrelay.core.errors import Invalid
from riskrelay.ports import Check, Services
from riskrelay.web.account_api.bodies import parse
from riskrelay.web.account_api.tokens import TokenBody, refuse_more
from riskrelay.web.console.checkup import checks
from riskrelay.web.console.lists import Choice, Column, ListOf, wants_csv
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

LIVES = {"30 days": 30, "90 days": 90, "1 year": 365, "never": None}
"""How long a new token is good, in days."""

SCOPE_WORDS = {
    Scope.READ: "See integrations, deliveries, sources, behaviors and counts. Users are hidden.",
    Scope.WRITE: "Change integrations, sources, behaviors and exceptions; reset and erase users.",
    Scope.PII_READ: "See users: names, email addresses, findings and the texts of receivers.",
    Scope.INGEST: "Send findings, activity and security events. This is all that a detection needs.",
    Scope.OPERATE: "Manage tokens, credentials of receivers, signing keys and notifications; read the audit log.",
}
"""What a token with a scope may do."""

TOKENS: ListOf[StoredToken] = ListOf(
    name="tokens",
    columns=(
        Column(title="Name", value=lambda token: token.name, sort="name"),
        Column(title="Permissions", value=lambda token: " ".join(sorted(token.scopes))),
        Column(title="Created", value=lambda token: token.created_at, sort="created", is_largest_first=True),
        Column(title="Last used", value=lambda token: token.last_used_at, sort="used", is_largest_first=True),
        Column(title="Expires", value=lambda token: token.expires_at, sort="expires"),
        Column(title="Token ID", value=lambda token: token.token_id),
    ),
    words=lambda token: (token.name, token.token_id),
    placeholder="Name contains",
    choices=(Choice(name="scope", label="Permission", words={"": "any permission", **{one: one for one in Scope}}),),
    fits={"scope": lambda token, word: word in token.scopes},
)

_BODY: TypeAdapter[TokenBody] = TypeAdapter(TokenBody)


class SettingScreens:
    """The handlers of settings."""

    def __init__(self, services: Services, pages: Pages, public_origin: str) -> None:
        self._services = services
        self._pages = pages
        self._public_origin = public_origin

    async def tokens(self, visit: Visit) -> Response:
        """Show the account's tokens, and a form for a new one."""
        return await self._tokens(visit)

    async def create_token(self, visit: Visit) -> Response:
        """Create a token. Only this page shows it."""
        now = self._services.clock.now()
        life = visit.form.get("lives", "")
        if life not in LIVES:
            return await self._tokens(visit, 400, problems=["choose when the token expires"])
        days = LIVES[life]
        expires_at = None if days is None else now + timedelta(days=days)
        given = {"name": visit.form.get("name", "").strip(), "scopes": visit.form.getlist("scopes")}
        try:
            body = parse(_BODY, msgspec.json.encode(given))
            refuse_more(body, visit.session.token, now)
        except Invalid as error:
            return await self._tokens(visit, 400, problems=[fault.message for fault in error.faults])
        token, _ = await create_token(
            self._services, visit.account, visit.actor, body.name, scopes=body.scopes, expires_at=expires_at
        )
        return await self._tokens(visit, made=token)

    async def revoke_token(self, visit: Visit) -> Response:
        """Revoke a token with immediate effect."""
        token_id = TokenId(visit.request.path_params["token_id"])
        await revoke_token(self._services, visit.account, visit.actor, token_id)
        return self._pages.see(account_path(visit.account, "settings"), done="revoked")

    async def health(self, visit: Visit) -> Response:
        """Show the checks of the installation that an account may see."""
        keys = await self._services.store.read_installation(lambda tx: tx.keys.all())
        stock = await self._services.store.read(visit.account, lambda tx: tx.stocks.latest())
        found = checks(self._public_origin, keys, stock, self._services.clock.now())
        may_examine = visit.session.token.account_id is None
        return self._pages.page(visit, "health.html", checks=found, may_examine=may_examine, examined=False)

    async def examine(self, visit: Visit) -> Response:
        """Show the results of `riskrelay doctor`.

        They name receivers of all accounts, so this needs an installation's token.
        """
        visit.session.token.require(None, Scope.OPERATE)
        examine: Callable[[], Awaitable[list[Check]]] = visit.request.app.state.examine
        return self._pages.page(visit, "health.html", checks=await examine(), may_examine=True, examined=True)

    async def _tokens(
        self, visit: Visit, status: int = 200, *, made: str | None = None, problems: list[str] | None = None
    ) -> Response:
        found = await self._services.store.read_installation(lambda tx: tx.tokens.of(visit.account))
        now = self._services.clock.now()
        if wants_csv(visit):
            return TOKENS.csv(visit, found[::-1], now)
        return self._pages.page(
            visit,
            "tokens.html",
            status,
            view=TOKENS.view(visit, found[::-1], now),
            now=now,
            scopes={scope: SCOPE_WORDS[scope] for scope in Scope if visit.may(scope)},
            lives=list(LIVES),
            made=made,
            problems=problems or [],
            own=visit.session.token.token_id,
        )
