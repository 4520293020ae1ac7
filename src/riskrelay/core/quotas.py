"""The quotas of an account, so that no client can fill the database."""

from dataclasses import dataclass

from riskrelay.core.errors import Fault, FaultKind, Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """The largest numbers.

    Attributes:
        tokens: of one account, and of the installation itself.
        integrations: of one account.
        receiver_credentials: of one integration.
        sources: of one account.
        running_replays: of one integration, running or paused.
        running_bulk_resets: of one account, running or paused.
        users: of one account.
        own_behaviors: of one account, without the retired ones.
        exceptions: of one account, including those that have ended.
        rules: of one account.
        notification_channels: of one account.
        findings_per_user: kept; the oldest are deleted.
        level_changes_per_user: kept in the history; the oldest are deleted.
        directory_entries: of one account.
        console_sessions: of one token; the oldest ends.
    """

    tokens: int = 1_000
    integrations: int = 1_000
    receiver_credentials: int = 100
    sources: int = 100
    running_replays: int = 100
    running_bulk_resets: int = 10
    users: int = 1_000_000
    own_behaviors: int = 100
    exceptions: int = 500
    rules: int = 50
    notification_channels: int = 20
    findings_per_user: int = 10_000
    level_changes_per_user: int = 1_000
    directory_entries: int = 1_000_000
    console_sessions: int = 100


def refuse_above(quota: int, count: int, things: str, advice: str) -> None:
    """Refuse another of *things* if the quota is reached.

    Args:
        count: the current number.
        advice: advice for the client, as the end of a sentence.

    Raises: Invalid: the quota is reached.
    """
    if count >= quota:
        raise Invalid(
            [Fault(FaultKind.QUOTA_REACHED, "", f"there are {count:,} {things}, and the quota is {quota:,}; {advice}")]
        )
