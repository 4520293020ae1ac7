"""The installation's signing keys, and rotation."""

from starlette.responses import Response

from riskrelay.actions.signing_keys import rotate_signing_keys
from riskrelay.core.credentials import Scope
from riskrelay.core.keys import Keyring, published, rotation_problem
from riskrelay.ports import Services
from riskrelay.web.console.key_lives import life_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit


class KeyScreens:
    """The handlers of keys. Every session may see the published keys; rotation needs a token of the installation."""

    def __init__(self, services: Services, pages: Pages, keyring: Keyring) -> None:
        self._services = services
        self._pages = pages
        self._keyring = keyring

    async def show(self, visit: Visit) -> Response:
        """Show the keys in the JWKS."""
        keys = await self._services.store.read_installation(lambda tx: tx.keys.all())
        now = self._services.clock.now()
        shown = published(keys, now, self._keyring.horizon)[::-1]
        first = min((key.created_at for key in shown), default=now)
        return self._pages.page(
            visit,
            "keys.html",
            keys=[(key, life_of(key, first, now)) for key in shown],
            first=first,
            too_early=rotation_problem(keys, now),
            may_rotate=visit.session.token.account_id is None,
        )

    async def rotate(self, visit: Visit) -> Response:
        """Rotate the keys: the next keys sign from now on."""
        visit.session.token.require(None, Scope.OPERATE)
        at_once = visit.form.get("at_once") == "yes"
        await rotate_signing_keys(self._services, visit.actor, self._keyring, at_once=at_once)
        return self._pages.see(account_path(visit.account, "settings", "keys"), done="rotated")
