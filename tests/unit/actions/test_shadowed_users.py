"""What `doctor` says of users who share a mailbox with another user since addresses are compared by mailbox."""

from typing import cast

from sqlalchemy import update

from riskrelay.actions.examine_installation import Examining, examine_installation
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.ports import Check, Installation, Store, Verdict
from riskrelay.push.client import PushClient
from riskrelay.push.probing import NetworkProbe
from riskrelay.push.tls_materials import PemMaterials
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.tables import users
from support.delivering import VAULT
from support.receivers import LOCAL
from support.services import HandClock, services_of
from support.transmitting import NO_NOTIFIER
from support.world import ACCOUNT, account_with_integration, finding, record


async def test_a_user_without_a_mailbox_of_its_own_is_named_until_it_is_reset(store: Store) -> None:
    """By id only, with the command that resets it; nobody is named where there is none."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    await record(services, finding("kai@example.com"))
    examining = Examining(
        loosened=[],
        check_files=list,
        probe=NetworkProbe(lambda: PushClient(LOCAL, clock)),
        vault=VAULT,
        materials=PemMaterials(VAULT, clock),
        public_url="http://127.0.0.1:1",
        worker_url=None,
        knows_proxy=False,
        notifier=NO_NOTIFIER,
        sends_email=False,
    )

    async def said() -> list[Check]:
        return [one for one in await examine_installation(services, examining) if one.topic == "users"]

    def shadow(tx: Installation) -> None:
        connection = cast(InstallationTransaction, tx)._connection
        connection.execute(update(users).values(email_key=" " + users.c.user_id))

    assert await said() == []
    await store.write_installation(shadow)
    (user,) = await store.read_installation(lambda tx: tx.shadowed_users(9))
    (check,) = await said()
    assert (check.verdict, check.fix) == (
        Verdict.WARNING,
        f"run riskrelay user reset {user.user_id} --account {ACCOUNT}",
    )
    assert user.user_id in check.said
    assert "@" not in check.said
    await reset_user(services, ACCOUNT, COMMAND_LINE, user.user_id)
    assert await said() == []
