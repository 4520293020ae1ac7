"""Processes that share a port tell each other what they count."""

import socket
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from riskrelay.ports import StoreLoad
from riskrelay.telemetry.metrics import PrometheusMetrics
from riskrelay.telemetry.siblings import Siblings

LOAD = StoreLoad(
    waiting=0, connections_in_use=1, connections=2, transactions=3, commits=4, disk_free_bytes=None, wal_bytes=None
)


async def test_whichever_is_scraped_shows_what_all_count(tmp_path: Path) -> None:
    """Each sample with the number of its process, all of a metric in one group, the database once. One that was killed
    is left out, and its place is taken by the next with its number."""
    first, second, dead = (PrometheusMetrics(Siblings(tmp_path, number)) for number in (1, 2, 3))
    first.count_findings(5, 0, 0)
    second.count_findings(7, 1, 0)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "3"))
    async with Siblings(tmp_path, 2).answering(lambda: second.own_exposition(LOAD)):
        text = (await first.exposition(None, LOAD, writable=True)).decode()
        async with Siblings(tmp_path, 3).answering(lambda: dead.own_exposition(LOAD)):
            assert set(await Siblings(tmp_path, 1).ask()) == {2, 3}
    families = {family.name: family for family in text_string_to_metric_families(text)}
    findings = families["riskrelay_findings"].samples
    accepted = {one.labels["process"]: one.value for one in findings if one.labels["result"] == "accepted"}
    assert {number: accepted[number] for number in "12"} == {"1": 5, "2": 7}
    assert {one.labels["process"] for family in families.values() for one in family.samples if one.labels} == {"1", "2"}
    assert [one.labels for one in families["riskrelay_database_up"].samples] == [{}]
    groups = Counter(line.split()[2] for line in text.splitlines() if line.startswith("# TYPE"))
    assert set(groups.values()) == {1}
    assert list(tmp_path.iterdir()) == []
