"""Receiving security events: verify a SET, or run a whole receiver.

Example of a receiver::

    # my_receiver.py
    from riskrelay.receiver import SecurityEventToken, receiver_app

    async def on_event(token: SecurityEventToken) -> None:
        event = token.event
        print(token.sub_id, event.get("previous_level"), "->", event.get("current_level"))

    app = receiver_app(
        well_known_url="https://risk.example.com/.well-known/sse-configuration/<integration id>",
        audience="https://receiver.example.com",
        on_event=on_event,
    )
    # uvicorn my_receiver:app

Register it as an integration with `tenant_url` https://receiver.example.com. `on_event` is called before the SET is
acknowledged: if it raises, the transmitter sends the SET again. A receiver that cannot be reached from outside awaits
`poll_events` instead of serving an application. This package does not import the rest of riskrelay.
"""

from riskrelay.receiver.app import Misbehaviour, receiver_app
from riskrelay.receiver.inbox import OnEvent
from riskrelay.receiver.polling import PollRefused, poll_events
from riskrelay.receiver.registration import RegistrationRefused, StreamCredentials, StreamRegistration
from riskrelay.receiver.transmitter import NoTransmitter, Transmitter, TransmitterMetadata, TransmitterUnavailable
from riskrelay.receiver.verify import InvalidSet, SecurityEventToken, UnknownKey, verify_set

__all__ = [
    "InvalidSet",
    "Misbehaviour",
    "NoTransmitter",
    "OnEvent",
    "PollRefused",
    "RegistrationRefused",
    "SecurityEventToken",
    "StreamCredentials",
    "StreamRegistration",
    "Transmitter",
    "TransmitterMetadata",
    "TransmitterUnavailable",
    "UnknownKey",
    "poll_events",
    "receiver_app",
    "verify_set",
]
