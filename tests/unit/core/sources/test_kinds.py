"""The names of the kinds of sources."""

from riskrelay.core.sources.kinds import KIND_NAMES
from riskrelay.mapping.shipped import shipped_texts


def test_every_kind_that_is_shipped_has_a_name() -> None:
    """And no other kind has one."""
    assert KIND_NAMES.keys() == set(shipped_texts())
