"""What the receivers' endpoints need, over real sealing and real address rules."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from riskrelay.actions.notification_channels import Notifying
from riskrelay.actions.poll_stream import Polling
from riskrelay.actions.record_signals import Signals
from riskrelay.core.keys import Algorithm
from riskrelay.local.clock import SystemClock
from riskrelay.mapping.mapping_pool import MappingPool
from riskrelay.ports import Proof
from riskrelay.push.addresses import TargetRules
from riskrelay.push.client import PushClient
from riskrelay.push.notifying import MessageSender
from riskrelay.push.targets import PushTargets
from riskrelay.push.tls_materials import PemMaterials
from riskrelay.signing.sealing import MasterKey, new_master_key
from riskrelay.web.transmitter.bell import StreamBell
from riskrelay.web.transmitter.streams import Transmitting
from support.keys import KEYRING

VAULT = MasterKey([new_master_key()])
FOR_EVER = timedelta(days=36_500)  # events of tests bear the hand clock's date

_PUBLIC = TargetRules([], allow_http=False)
NO_NOTIFIER = MessageSender(lambda: PushClient(_PUBLIC, SystemClock()), PushTargets(_PUBLIC), None)

_HEADER = "eyJraWQiOiJwbGFpbiJ9."  # {"kid":"plain"}, because each attempt is logged with its key


def claims_in(token: bytes | str) -> Any:
    """The claims of what `PlainSigner` has not signed."""
    text = token if isinstance(token, str) else token.decode()
    return msgspec.json.decode(text.removeprefix(_HEADER))


class PlainSigner:
    """Implements ports.Signer and ports.Proofs: signs nothing, so that a test can read what is handed out."""

    async def sign(self, payloads: Sequence[bytes], algorithm: Algorithm) -> list[bytes]:
        return [_HEADER.encode() + payload for payload in payloads]

    async def prove(self, payload: bytes, algorithm: Algorithm) -> Proof:
        return Proof({}, "nothing is signed")


def polling_of(bell: StreamBell | None = None, longest_wait: timedelta = timedelta(0)) -> Polling:
    """Polling that signs nothing and does not wait."""
    return Polling(signer=PlainSigner(), bell=bell or StreamBell(), retention=FOR_EVER, longest_wait=longest_wait)


def notifying_of(sender: MessageSender | None = None) -> Notifying:
    """Notifications by *sender*; without one, to public addresses only, and not by e-mail."""
    return Notifying(
        vault=VAULT, notifier=sender or NO_NOTIFIER, public_url="https://risk.example.com", retention=FOR_EVER
    )


def transmitting_of(polling: Polling | None = None) -> Transmitting:
    """Everything; only public addresses and https may be pushed to."""
    targets = PushTargets(_PUBLIC)
    materials = PemMaterials(VAULT, SystemClock())
    return Transmitting(
        polling=polling or polling_of(),
        vault=VAULT,
        targets=targets,
        notifying=notifying_of(),
        keyring=KEYRING,
        materials=materials,
        proofs=PlainSigner(),
        signals=Signals(MappingPool(SystemClock()), VAULT),
    )
