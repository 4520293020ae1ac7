"""Change how the levels of an account's users change with time."""

from msgspec.structs import replace

from riskrelay.actions.releveling import change_rules
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.rules import LevelRules, LevelTimes
from riskrelay.ports import Services, Transaction


async def set_level_times(services: Services, account_id: AccountId, actor: Actor, times: LevelTimes) -> LevelRules:
    """Overwrite the settings of how levels change with time, and decide the levels of users at risk again.

    Findings that have already expired under the new settings no longer count at once, and those that count again raise
    levels. The receivers are notified.

    Args:
        times: with durations of behaviors in use. Those of retired behaviors are kept.

    Returns: the rules with the stored settings.
    Raises: Unavailable: nothing was changed.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.LEVELS, "times")

    def change(tx: Transaction, before: LevelRules) -> None:
        retired = {
            behavior: duration
            for behavior, duration in before.times.durations.items()
            if before.behaviors[behavior].is_retired
        }
        wanted = replace(times, durations={**retired, **times.durations})
        if wanted != before.times:
            tx.levels.save_times(wanted)
            tx.audit.record(entry)

    return await change_rules(services, account_id, actor, change)
