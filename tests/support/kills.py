"""Killing a service with -9 at random moments of work that goes on by itself."""

import random
import time
from collections.abc import Callable

from support.databases import end_leases
from support.fault_plugin import AT_LENGTH, seed_of_run
from support.service import Service


def kill_at_random(service: Service, record_property: Callable[[str, object], None], *, within: float) -> int:
    """Kill *service* at random moments of its run, and start it again each time: a few times, or often at length.

    The next process does not wait for the leases of the killed one.

    Args:
        within: the latest moment after a start, in seconds: about as long as the work takes.

    Returns: how often.
    """
    kills = 20 if AT_LENGTH else 2
    record_property("kills", kills)
    moments = random.Random(seed_of_run(record_property))
    for _ in range(kills):
        time.sleep(moments.uniform(0, within))
        service.kill()
        end_leases(service.settings["RISKRELAY_DATABASE_URL"])
        service.start()
    return kills
