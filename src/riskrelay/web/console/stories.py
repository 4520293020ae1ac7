"""A user's history: findings, level changes, and notified receivers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, name_of
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import RecordedFinding, UserEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One entry of the history.

    Attributes:
        finding: the finding; None: the user was reset.
        behavior: the name of the finding's behavior.
        moved_to: the user's new level, if the entry changed it.
        events: the security events of this change, with their deliveries.
    """

    at: datetime
    finding: RecordedFinding | None
    behavior: str
    moved_to: RiskLevel | None
    events: Sequence[UserEvent] = ()


def chapters(
    standing: Standing,
    findings: Sequence[RecordedFinding],
    settings: Mapping[BehaviorId, BehaviorSetting],
    *,
    is_first: bool,
    has_older: bool,
) -> list[Chapter]:
    """Return the entries of a history, the latest first.

    Args:
        findings: one page of findings, the latest first.
        settings: the account's settings of behaviors, for their names.
        is_first: whether this is the first page, which has the last reset.
        has_older: whether older findings follow, so that the level before the oldest finding is not known.
    """
    story: list[Chapter] = []
    for resets, found in groupby(reversed(findings), lambda finding: finding.resets):
        level: RiskLevel | None = None
        is_known = not has_older or resets != findings[-1].resets
        for finding in found:
            if finding.exception_id is not None:  # the level that it gave the user is not known
                story.append(
                    Chapter(
                        at=finding.occurred_at,
                        finding=finding,
                        behavior=name_of(finding.behavior, settings),
                        moved_to=None,
                    )
                )
                continue
            moved = level is None or finding.risk_level > level
            level = finding.risk_level if level is None else max(level, finding.risk_level)
            name = name_of(finding.behavior, settings)
            story.append(
                Chapter(
                    at=finding.occurred_at,
                    finding=finding,
                    behavior=name,
                    moved_to=level if moved and is_known else None,
                )
            )
            is_known = True
    reset_at = standing.last_reset_at
    if is_first and reset_at is not None:
        before = sum(1 for chapter in story if chapter.finding is not None and chapter.finding.resets < standing.resets)
        story.insert(before, Chapter(at=reset_at, finding=None, behavior="", moved_to=None))
    return story[::-1]


def moves(story: Sequence[Chapter]) -> list[datetime]:
    """Return the moments at which the level moved, the latest first: at those its receivers were notified."""
    return list(dict.fromkeys(_moment(chapter) for chapter in story if _is_move(chapter)))


def with_events(story: Sequence[Chapter], events: Sequence[UserEvent]) -> list[Chapter]:
    """Return the history with the security events of each entry."""
    return [
        replace(chapter, events=[one for one in events if one.delivery.queued_at == _moment(chapter)])
        if _is_move(chapter)
        else chapter
        for chapter in story
    ]


def _is_move(chapter: Chapter) -> bool:
    return chapter.finding is None or chapter.moved_to is not None


def _moment(chapter: Chapter) -> datetime:
    return chapter.at if chapter.finding is None else chapter.finding.recorded_at
