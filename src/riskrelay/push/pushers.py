"""Which push client delivers."""

from datetime import timedelta

from yarl import URL

from riskrelay.ports import Clock
from riskrelay.push.addresses import TargetRules
from riskrelay.push.aiohttp_client import HttpPusher
from riskrelay.push.client import DirectPusher


def open_pusher(
    rules: TargetRules, clock: Clock, deadline: timedelta, egress_proxy: str | None
) -> DirectPusher | HttpPusher:
    """The client; close it.

    Rule: ADR 0008: the fast one dials by itself, the one by aiohttp knows proxies.
    """
    if egress_proxy is None:
        return DirectPusher(rules, clock, deadline=deadline)
    return HttpPusher(rules, clock, deadline=deadline, proxy=URL(egress_proxy))
