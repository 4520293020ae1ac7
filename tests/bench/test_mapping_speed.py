"""The measurement of the mapping's speed works."""

from bench.mapping_speed import mapping_speeds
from riskrelay.mapping.shipped import shipped_texts


def test_each_mapping_is_measured() -> None:
    speeds = dict(mapping_speeds(256))
    assert speeds.keys() == {"lean mapping of Okta", *shipped_texts()}
    assert min(speeds.values()) > 1_000
