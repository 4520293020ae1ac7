"""Starting `riskrelay` so that the process ends at a named place as by a power cut, to see what is left and what comes
of it.

    FAILPOINT=push.answered python -m support.failpoint_launcher serve

The launcher wraps the ports where `wiring` composes them and listens to SQLAlchemy's events; then it runs the command.
The product knows nothing of it. A place in a transaction is named by the statement that it belongs to.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection, Engine, event

from riskrelay.cli import main
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.engine.pushing import Delivering
from riskrelay.ports import Pusher, Services
from riskrelay.wiring import processes

VARIABLE = "FAILPOINT"  # not RISKRELAY_…: it is no setting of the product
_COMPOSITION = vars(processes)  # the names by which the product composes its ports
EXIT_CODE = 86  # no other end of the process has it, so a test knows that the place was reached


class _Moment(Enum):
    """When it ends, as seen from a statement."""

    BEFORE = auto()
    BEFORE_COMMIT = auto()
    AFTER_COMMIT = auto()


_FINDING = r"INSERT INTO findings "
_CLAIM = r"UPDATE lanes SET epoch=.*\sRETURNING\s"
_ATTEMPTS = r"INSERT INTO attempts "
_EXCEPTIONS = r"INSERT INTO held_events .*\sON CONFLICT\s"
_REPLAY = r"UPDATE replay_places SET "
_PART = r"DELETE FROM large_write_parts .*number"
_LEVELS_DUE = r"SELECT .*users\.next_change_at IS NOT NULL ORDER BY users\.user_id"
_RULES_HELD = r"SELECT rule_work\.walked_to .*owner"
_ERASURE = r"(DELETE FROM findings |UPDATE events SET |DELETE FROM erasures )"
_KNOWN_LEVELS = r"UPDATE events SET known_level="
_COLLAPSE = r"UPDATE lanes SET .*admitted="
_SCHEMA = r"\s*(CREATE|ALTER|DROP|INSERT INTO alembic_version|UPDATE alembic_version)\b"

_IN_TRANSACTIONS = {
    "accept.before_commit": (_FINDING, _Moment.BEFORE_COMMIT),
    "accept.after_commit": (_FINDING, _Moment.AFTER_COMMIT),
    "claim.after_commit": (_CLAIM, _Moment.AFTER_COMMIT),
    "settle.after_cursor": (_ATTEMPTS, _Moment.BEFORE),
    "settle.after_attempts": (_EXCEPTIONS, _Moment.BEFORE),
    "settle.before_commit": (_ATTEMPTS, _Moment.BEFORE_COMMIT),
    "settle.after_commit": (_ATTEMPTS, _Moment.AFTER_COMMIT),
    "part.before_commit": (_PART, _Moment.BEFORE_COMMIT),
    "part.after_commit": (_PART, _Moment.AFTER_COMMIT),
    "levels.before_commit": (_LEVELS_DUE, _Moment.BEFORE_COMMIT),
    "levels.after_commit": (_LEVELS_DUE, _Moment.AFTER_COMMIT),
    "rules.before_commit": (_RULES_HELD, _Moment.BEFORE_COMMIT),
    "rules.after_commit": (_RULES_HELD, _Moment.AFTER_COMMIT),
    "replay.before_commit": (_REPLAY, _Moment.BEFORE_COMMIT),
    "replay.after_commit": (_REPLAY, _Moment.AFTER_COMMIT),
    "erase.before_commit": (_ERASURE, _Moment.BEFORE_COMMIT),
    "erase.after_commit": (_ERASURE, _Moment.AFTER_COMMIT),
    "collapse.levels_known": (_KNOWN_LEVELS, _Moment.AFTER_COMMIT),
    "collapse.before_rows": (r"INSERT INTO held_events ", _Moment.BEFORE),
    "collapse.before_commit": (_COLLAPSE, _Moment.BEFORE_COMMIT),
    "collapse.after_commit": (_COLLAPSE, _Moment.AFTER_COMMIT),
    "migrate.statement": (_SCHEMA, _Moment.BEFORE),
}
_WOKEN = "accept.woken"
_ANSWERED = "push.answered"

NAMES = (*_IN_TRANSACTIONS, _WOKEN, _ANSWERED)


@dataclass
class Failpoint:
    """An armed place: the process ends when it is reached for the last of *times*."""

    name: str
    times: int

    def reached(self) -> None:
        """Count, and end this process if this is the time: no clean-up, no flush."""
        self.times -= 1
        if self.times == 0:
            os._exit(EXIT_CODE)


def arm(environment: Mapping[str, str]) -> None:
    """Arm the place that FAILPOINT names in *environment*, if it names one: a name, or `NAME:N` for the Nth time that
    it is reached.

    Raises: SystemExit: there is no such place.
    """
    named = environment.get(VARIABLE)
    if named is None:
        return
    name, _, times = named.partition(":")
    if name not in NAMES or not (times or "1").isdecimal() or times == "0":
        sys.exit(f"{VARIABLE}: {named!r} is none of {', '.join(NAMES)}, each with :N for the Nth time")
    failpoint = Failpoint(name, int(times or 1))
    if name in _IN_TRANSACTIONS:
        _watch_transactions(failpoint, *_IN_TRANSACTIONS[name])
    elif name == _ANSWERED:
        _wrap_pusher(failpoint)
    else:
        _wrap_wake(failpoint)


def _watch_transactions(failpoint: Failpoint, statement: str, moment: _Moment) -> None:
    """Listen to every engine of this process."""
    wanted = re.compile(statement, re.DOTALL)

    def before_statement(connection: Connection, cursor: Any, sql: str, *rest: Any) -> None:
        if wanted.match(sql):
            if moment is _Moment.BEFORE:
                failpoint.reached()
            connection.info["failpoint"] = moment

    def before_commit(connection: Connection) -> None:
        reached = connection.info.pop("failpoint", None)
        if reached is _Moment.AFTER_COMMIT:
            connection.connection.commit()  # now, so that nobody can be told between it and the end
        if reached in (_Moment.BEFORE_COMMIT, _Moment.AFTER_COMMIT):
            failpoint.reached()

    def rolled_back(connection: Connection) -> None:
        connection.info.pop("failpoint", None)

    event.listen(Engine, "before_cursor_execute", before_statement)
    event.listen(Engine, "commit", before_commit)
    event.listen(Engine, "rollback", rolled_back)


def _wrap_pusher(failpoint: Failpoint) -> None:
    """End the process when an answer is read and nothing is written down yet."""
    compose = _COMPOSITION["Delivering"]

    def delivering(*given: Any, **more: Any) -> Delivering:
        made: Delivering = compose(*given, **more)
        return replace(made, pusher=_EndsWhenAnswered(made.pusher, failpoint))

    _COMPOSITION["Delivering"] = delivering


def _wrap_wake(failpoint: Failpoint) -> None:
    """End the process when the worker is woken and the client is not answered yet."""
    compose = _COMPOSITION["services_of"]

    def services_of(*given: Any, **more: Any) -> Services:
        services: Services = compose(*given, **more)

        def woken(lanes: Sequence[WokenLane]) -> None:
            services.wake(lanes)
            if lanes:
                failpoint.reached()

        return replace(services, wake=woken)

    _COMPOSITION["services_of"] = services_of


class _EndsWhenAnswered:
    """Implements ports.Pusher."""

    def __init__(self, pusher: Pusher, failpoint: Failpoint) -> None:
        self._pusher = pusher
        self._failpoint = failpoint

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        outcome = await self._pusher.push(endpoint_url, token, authorization, tls)
        self._failpoint.reached()
        return outcome


if __name__ == "__main__":
    arm(os.environ)
    main()
