"""What `doctor` says of client certificates, as time goes by."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from riskrelay.actions.examine_installation import Examining, examine_installation
from riskrelay.actions.integrations import set_integration_tls
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.integrations import OpenedTls, tls_row
from riskrelay.ports import Store, Verdict
from riskrelay.push.client import PushClient
from riskrelay.push.probing import NetworkProbe
from riskrelay.push.tls_materials import PemMaterials
from riskrelay.signing.sealing import MasterKey, new_master_key
from support.certificates import new_authority
from support.delivering import VAULT
from support.receivers import LOCAL
from support.services import HandClock, services_of
from support.transmitting import NO_NOTIFIER
from support.world import ACCOUNT, account_with_integration

NOWHERE = "https://127.0.0.1:1"


async def test_a_client_certificate_that_ends(store: Store, tmp_path: Path) -> None:
    """Nothing is said while it has more than a month; then when it ends, how to replace it and keep the authority; from
    its end on it is a problem, and nothing is dialled. Under another master key that is said of its receiver."""
    clock = HandClock(datetime.now(UTC))
    services = services_of(store, clock)
    integration = await account_with_integration(services, ACCOUNT, NOWHERE)
    authority = new_authority(tmp_path)
    files = authority.files("client.test", ends=40)
    materials = PemMaterials(VAULT, clock)
    given = OpenedTls(authority.pem(), files.certificate.read_text(), files.key.read_bytes())
    tls = materials.read(given, tls_row(ACCOUNT, integration.integration_id))
    await set_integration_tls(services, ACCOUNT, COMMAND_LINE, integration.integration_id, tls)
    probe = NetworkProbe(lambda: PushClient(LOCAL, clock))

    async def receivers(vault: MasterKey) -> list[tuple[Verdict, str, str]]:
        examining = Examining(
            loosened=[],
            check_files=list,
            probe=probe,
            vault=vault,
            materials=materials,
            public_url=NOWHERE,
            worker_url=None,
            knows_proxy=True,
            notifier=NO_NOTIFIER,
            sends_email=False,
        )
        checks = await examine_installation(services, examining)
        return [(one.verdict, one.said, one.fix or "") for one in checks if one.topic == "receivers"]

    ends = (clock.now() + timedelta(days=40)).strftime("%Y-%m-%d")
    ((verdict, said, _), _) = await receivers(VAULT)
    assert (verdict, "connection_refused" in said) == (Verdict.PROBLEM, True)
    clock.pass_time(timedelta(days=11))
    _, (verdict, said, fix), _ = await receivers(VAULT)
    assert (verdict, f"expires on {ends}" in said, integration.integration_id in said) == (Verdict.WARNING, True, True)
    assert fix == (
        f"run riskrelay integration tls {integration.integration_id} --certificate FILE --key FILE --ca FILE "
        f"--account {ACCOUNT}"
    )
    clock.pass_time(timedelta(days=30))
    (_, reached, _), (verdict, said, _), _ = await receivers(VAULT)
    assert (verdict, f"expired on {ends}" in said) == (Verdict.PROBLEM, True)
    assert "tls_client_expired" in reached
    (_, reached, _), *_ = await receivers(MasterKey([new_master_key()]))
    assert "wrong_master_key" in reached
