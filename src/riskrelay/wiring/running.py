"""The settings of the running processes, for commands that examine the installation from another shell."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from riskrelay.core.errors import Unavailable
from riskrelay.ports import Check, Node, Services, Verdict
from riskrelay.settings import Settings

_ALIVE = timedelta(seconds=90)  # chosen: three intervals of a process's announcements
_OF_ONE_PROCESS = {"host", "port", "metrics_port", "log_level"}  # these may differ


async def settings_in_force(services: Services, own: Settings) -> tuple[list[Check], Settings]:
    """Find the settings of the running service.

    Args:
        own: the settings of this shell. The database and the secrets are always taken from these.

    Returns: remarks about the settings, and the settings to examine.
    Raises:  Misconfigured: another version runs, whose settings this one cannot read.
    """
    since = services.clock.now() - _ALIVE
    try:
        nodes = await services.store.read_installation(lambda tx: tx.nodes.seen_since(since))
    except Unavailable:  # the examination reports the reason
        return [], own
    if not nodes:
        said = "No riskrelay process uses this database, so the settings of this shell were checked."
        return [
            Check(
                topic="settings",
                verdict=Verdict.WARNING,
                said=said,
                fix="start riskrelay serve, then run riskrelay doctor again",
            )
        ], own
    node = ([one for one in nodes if one.role == "serve"] or nodes)[-1]
    running = own.as_running(node.settings)
    return [_judged(node, own.public), *_disagreement(nodes), *_unknown_proxy(running)], running


def _judged(node: Node, own: Mapping[str, object]) -> Check:
    said = f"Checked with the settings of riskrelay {node.role}, running since {node.started_at:%Y-%m-%d %H:%M} UTC"
    different = _names(node.settings, own)
    return Check(
        topic="settings",
        verdict=Verdict.OK,
        said=f"{said}{f'; this shell has different values of {different}' if different else ''}.",
    )


def _disagreement(nodes: Iterable[Node]) -> list[Check]:
    first, *others = [node.settings for node in nodes]
    different = ", ".join(dict.fromkeys(filter(None, (_names(first, other) for other in others))))
    if not different:
        return []
    said = f"The running processes have different settings: {different}."
    return [
        Check(
            topic="settings",
            verdict=Verdict.WARNING,
            said=said,
            fix="give every process the same settings and restart the processes that differ",
        )
    ]


def _unknown_proxy(running: Settings) -> list[Check]:
    if not running.has_hidden_proxy:
        return []
    said = "The receivers were not checked: this shell has no password for the egress proxy of the service."
    return [
        Check(
            topic="receivers",
            verdict=Verdict.WARNING,
            said=said,
            fix="set RISKRELAY_EGRESS_PROXY in this shell to the value of the service",
        )
    ]


def _names(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """Name the settings in which two processes differ."""
    names = (one.keys() & other.keys()) - _OF_ONE_PROCESS
    return ", ".join(sorted(f"RISKRELAY_{name.upper()}" for name in names if one[name] != other[name]))
