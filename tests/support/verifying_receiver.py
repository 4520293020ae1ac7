"""A receiver as a user would build it on `riskrelay.receiver`, told by its environment what to expect.

uvicorn --factory support.verifying_receiver:app
"""

import json
import os
from pathlib import Path

from starlette.applications import Starlette

from riskrelay.receiver import SecurityEventToken, receiver_app


def app() -> Starlette:
    """The application; what it hands over goes to the file that RECEIVER_LOG names."""
    log = Path(os.environ["RECEIVER_LOG"])

    async def on_event(token: SecurityEventToken) -> None:
        with log.open("a") as file:
            file.write(json.dumps({"jti": token.jti, "event_type": token.event_type}) + "\n")

    return receiver_app(
        well_known_url=os.environ["RECEIVER_WELL_KNOWN"],
        audience=os.environ["RECEIVER_AUDIENCE"],
        authorization=os.environ["RECEIVER_AUTHORIZATION"],
        on_event=on_event,
    )
