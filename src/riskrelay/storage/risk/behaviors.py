"""The account's own behaviors, and its settings of all behaviors."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, OwnBehavior
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import behavior_settings

_VALUES = ("enabled", "risk_level", "name", "description", "retired")
SETTING_COLUMNS = (behavior_settings.c.behavior, *(behavior_settings.c[column] for column in _VALUES))
_SETTINGS = (
    select(*SETTING_COLUMNS)
    .where(behavior_settings.c.account_id == bindparam("account"))
    .order_by(behavior_settings.c.behavior)
)
_SAVE_SETTINGS = PerEngine(
    behavior_settings,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[behavior_settings.c.account_id, behavior_settings.c.behavior],
        set_={column: insert.excluded[column] for column in _VALUES},
    ),
)


class BehaviorRows:
    """Implements ports.Behaviors."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def stored(self) -> dict[BehaviorId, BehaviorSetting]:
        rows = self._connection.execute(_SETTINGS, {"account": self._account_id})
        return {row.behavior: setting_from(row) for row in rows}

    def save(self, settings: Mapping[BehaviorId, BehaviorSetting]) -> None:
        rows = [
            {
                "account_id": self._account_id,
                "behavior": behavior,
                "enabled": setting.enabled,
                "risk_level": int(setting.risk_level),
                "name": None if setting.own is None else setting.own.name,
                "description": None if setting.own is None else setting.own.description,
                "retired": setting.is_retired,
            }
            for behavior, setting in settings.items()
        ]
        if rows:
            self._connection.execute(_SAVE_SETTINGS.on(self._connection), rows)


@lru_cache(maxsize=1_024)  # each transaction reads the same few; a row is compared by its values
def setting_from(row: Row[*tuple[Any, ...]]) -> BehaviorSetting:
    """Build a setting from a row with the columns `SETTING_COLUMNS`."""
    own = None if row.name is None else OwnBehavior(row.name, row.description, row.retired)
    return BehaviorSetting(row.enabled, RiskLevel(row.risk_level), own)
