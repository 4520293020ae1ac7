"""Every table has a bound that the operator's guide states."""

import re
from pathlib import Path

from riskrelay.settings import Settings
from riskrelay.storage.tables import metadata

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "operate.md"
_ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)


def stated_bounds() -> dict[str, str]:
    """By table, its bound in the guide's words."""
    (section,) = re.findall(r"^## Table size limits$(.*?)^## ", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    rows = _ROW.findall(section)
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_every_table_has_a_bound() -> None:
    """A new table needs a row that says what bounds it, and no row is left of a table that is gone."""
    assert set(stated_bounds()) == set(metadata.tables)


def test_a_bound_by_a_setting_names_one_that_exists() -> None:
    """Each quota is named by at least one table."""
    named = set(re.findall(r"RISKRELAY_(\w+)", "\n".join(stated_bounds().values())))
    settings = {name.upper() for name in Settings.model_fields}
    assert named <= settings
    assert {name for name in settings if name.startswith("QUOTA_")} <= named
