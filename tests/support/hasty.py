"""`riskrelay serve` with a deadline of a test's choice, and names that a file resolves.

    python -m support.hasty DEADLINE NAMES serve [OPTIONS]

DEADLINE is a number of seconds. NAMES is a JSON file, read at each lookup: a list of
addresses by host name; "down" is a resolver that fails, "silent" one that does not answer.
"""

import json
import socket
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from riskrelay.cli import main
from riskrelay.push.client import PushClient
from riskrelay.wiring import outgoing, processes


def resolver(names: Path, host: str) -> Sequence[str]:
    """The addresses of *host*, as the file says now."""
    found = json.loads(names.read_text()).get(host)
    if found == "silent":
        time.sleep(4)  # longer than a connection may take here
    if found in ("down", "silent"):
        raise socket.gaierror(socket.EAI_AGAIN, "the resolver is down")
    if found is None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    addresses: list[str] = found
    return addresses


if __name__ == "__main__":
    seconds, names, *arguments = sys.argv[1:]
    outgoing.PUSH_DEADLINE = timedelta(seconds=float(seconds))
    vars(processes)["PUSH_DEADLINE"] = outgoing.PUSH_DEADLINE
    connecting = timedelta(seconds=min(float(seconds), 5) * 0.7)
    hasty = partial(PushClient, connect_deadline=connecting, resolve=partial(resolver, Path(names)))
    vars(outgoing)["PushClient"] = hasty
    sys.argv = ["riskrelay", *arguments]
    main()
