"""The demo's day is what its README says: well-formed, consistent, fictional, and eventful."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from typing import Any

import pytest

from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId
from riskrelay.core.risk.levels import RiskLevel

Line = dict[str, Any]

DEMO_DATA = files("riskrelay") / "cli" / "demo_data"
TEXT = (DEMO_DATA / "findings.ndjson").read_text(encoding="utf-8")
LINES: list[Line] = [json.loads(line) for line in TEXT.splitlines()]
README = (DEMO_DATA / "README.md").read_text(encoding="utf-8")

DOMAIN = "northwind-harbor.example"
DOCUMENTATION_RANGES = [IPv4Network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
EARTH_RADIUS_KM = 6371.0

PREFIXES = {
    "high_dlp": "dlp",
    "imp_travel": "login",
    "sentinel_one": "edr",
    "crowdstrike_low_zta": "zta",
    "crowdstrike_medium_zta": "zta",
    "malicious_file": "file",
    "high_risk_domain": "dns",
    "suspicious_domain": "dns",
}
LEVELS = {
    "high_dlp": RiskLevel.HIGH,
    "imp_travel": RiskLevel.MEDIUM,
    "sentinel_one": RiskLevel.HIGH,
    "crowdstrike_low_zta": RiskLevel.MEDIUM,
    "crowdstrike_medium_zta": RiskLevel.LOW,
    "malicious_file": RiskLevel.HIGH,
    "high_risk_domain": RiskLevel.LOW,
    "suspicious_domain": RiskLevel.MEDIUM,
}


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _details(*behaviors: str) -> Iterator[tuple[str, Line]]:
    """The id and the details of each finding of *behaviors*."""
    return ((line["id"], line["details"]) for line in LINES if line["behavior"] in behaviors)


def _strings(value: object) -> Iterator[str]:
    """Every string in *value*, however deep."""
    match value:
        case str():
            yield value
        case dict():
            for member in value.values():
                yield from _strings(member)
        case list():
            for member in value:
                yield from _strings(member)


def _kilometers(a: Line, b: Line) -> float:
    """The great-circle distance between two places, by the haversine formula."""
    lat_a, lat_b = radians(a["lat"]), radians(b["lat"])
    half_lat = (lat_b - lat_a) / 2
    half_lon = radians(b["lon"] - a["lon"]) / 2
    chord = sin(half_lat) ** 2 + cos(lat_a) * cos(lat_b) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(chord))


def _climbs(lines: list[Line]) -> tuple[int, dict[str, list[RiskLevel]]]:
    """A naive model: a user's level is the highest so far. The number of changes, and each user's levels."""
    climbs: dict[str, list[RiskLevel]] = {}
    for line in lines:
        level = LEVELS[line["behavior"]]
        levels = climbs.setdefault(line["user"]["email"], [])
        if not levels or level > levels[-1]:
            levels.append(level)
    return sum(map(len, climbs.values())), climbs


def test_file_is_ndjson() -> None:
    """One object a line, no blank line, a newline at the end."""
    assert TEXT.endswith("}\n")
    assert 230 <= len(LINES) <= 250
    assert all(line.startswith("{") for line in TEXT.splitlines())


def test_form_of_each_line() -> None:
    """The members are exactly those promised, in that order, with a name, an e-mail and details."""
    for line in LINES:
        assert list(line) == ["id", "behavior", "user", "timestamp", "details"], line
        assert list(line["user"]) == ["email", "name"], line
        assert re.fullmatch(PREFIXES[line["behavior"]] + r"-\d{6}", line["id"]), line
        assert re.fullmatch(r"[a-z.]+@" + re.escape(DOMAIN), line["user"]["email"]), line
        assert line["user"]["name"].strip(), line
        assert isinstance(line["details"], dict), line
        assert line["details"], line


def test_chronological_within_the_day() -> None:
    """From 06:00 to 22:00 UTC on 2026-03-17, each moment later than the one before."""
    moments = [_moment(line["timestamp"]) for line in LINES]
    assert all(a < b for a, b in pairwise(moments))
    assert moments[0] >= datetime(2026, 3, 17, 6, tzinfo=UTC)
    assert moments[-1] <= datetime(2026, 3, 17, 22, tzinfo=UTC)


def test_ids_are_unique() -> None:
    """An id names one finding for ever."""
    assert len({line["id"] for line in LINES}) == len(LINES)


def test_about_forty_users_each_with_one_name() -> None:
    """An e-mail has one name and a name has one e-mail; some users appear once."""
    users = {(line["user"]["email"], line["user"]["name"]) for line in LINES}
    assert 38 <= len(users) <= 44
    assert len({email for email, _ in users}) == len({name for _, name in users}) == len(users)
    appearances = Counter(line["user"]["email"] for line in LINES)
    assert sum(count == 1 for count in appearances.values()) == 7


def test_all_behaviors_occur() -> None:
    """Each behavior that the product knows occurs, at least ten times."""
    seen = Counter(line["behavior"] for line in LINES)
    assert set(seen) == set(LEVELS) == set(BEHAVIORS)
    assert min(seen.values()) >= 10


def test_levels_are_the_defaults() -> None:
    """The levels this module assumes are the product's defaults."""
    defaults = {behavior: BEHAVIORS[BehaviorId(behavior)].default_level for behavior in LEVELS}
    assert defaults == LEVELS


def test_addresses_are_for_documentation() -> None:
    """Whatever reads as an IPv4 address, in any member, is in a range of RFC 5737."""
    texts = re.findall(r"\d+(?:\.\d+){3,}", TEXT)
    assert len(texts) > 50
    for text in texts:
        assert any(IPv4Address(text) in network for network in DOCUMENTATION_RANGES), text


def test_named_addresses_are_addresses() -> None:
    """What a member calls an IP address is a dotted quad, so no other notation slips past the ranges."""
    named = re.findall(r'"(?:\w+_)?ip": "([^"]*)"', TEXT)
    assert len(named) > 50
    for text in named:
        assert str(IPv4Address(text)) == text


def test_emails_are_of_the_company() -> None:
    """Every @ belongs to an address at the company's domain."""
    assert set(re.findall(r"@([^\"\s]*)", TEXT)) == {DOMAIN}


def test_hosts_are_example_hosts() -> None:
    """Every URL, domain and destination ends in .example."""
    for line in LINES:
        details = line["details"]
        hosts = [details[key] for key in ("domain", "destination") if key in details]
        hosts += [host for text in _strings(details) for host in re.findall(r"\w+://([^/]*)", text)]
        assert all(re.fullmatch(r"[a-z0-9.-]+\.example", host) for host in hosts), line


def test_travel_is_impossible_and_consistent() -> None:
    """The distance fits the coordinates, the hours fit the two logins, and no airliner is that fast."""
    moments = {line["id"]: _moment(line["timestamp"]) for line in LINES}
    for finding, details in _details("imp_travel"):
        distance = _kilometers(details["from"], details["to"])
        elapsed = moments[finding] - _moment(details["earlier_login_at"])
        assert details["kilometers"] == pytest.approx(distance, rel=0.05), finding
        assert details["kilometers"] / details["hours"] > 1000, finding
        assert abs(elapsed - timedelta(hours=details["hours"])) <= timedelta(minutes=1), finding
        assert details["application"], finding


def test_a_city_is_in_one_place() -> None:
    """Wherever a city appears it has the same country and coordinates."""
    ends = [details[end] for _, details in _details("imp_travel") for end in ("from", "to")]
    places = {(end["city"], end["country"], end["lat"], end["lon"]) for end in ends}
    assert len(places) == len({city for city, *_ in places})


def test_dlp_is_high() -> None:
    """Fifteen or more hits of a profile within a minute (contract 18)."""
    for finding, details in _details("high_dlp"):
        assert details["profile"], finding
        assert details["hits"] >= 15, finding
        assert 0 < details["window_seconds"] <= 60, finding
        assert details["action"] in {"logged", "blocked"}, finding


def test_infection_names_device_and_threat() -> None:
    """A device with an active threat, and the agent that saw it."""
    for finding, details in _details("sentinel_one"):
        assert details["infected"] is True, finding
        assert details["device"], finding
        assert details["threat"], finding
        assert re.fullmatch(r"\d+\.\d+\.\d+", details["agent_version"]), finding


@pytest.mark.parametrize(
    ("behavior", "band"),
    [("crowdstrike_low_zta", range(50)), ("crowdstrike_medium_zta", range(50, 80))],
)
def test_score_is_in_the_band(behavior: str, band: range) -> None:
    """Low is 0 to 49 here and medium 50 to 79, so that no score could be both."""
    for finding, details in _details(behavior):
        assert details["zta_score"] in band, finding
        assert details["device"], finding
        assert details["failed_checks"], finding


def test_file_has_a_digest_and_an_origin() -> None:
    """A name, 64 hexadecimal digits and the URL it came from."""
    for finding, details in _details("malicious_file"):
        assert details["file"], finding
        assert re.fullmatch(r"[0-9a-f]{64}", details["sha256"]), finding
        assert details["url"].startswith("https://"), finding
        assert details["action"] in {"downloaded", "uploaded", "blocked"}, finding


def test_one_url_is_one_file() -> None:
    """The same URL has the same digest whoever downloads it, and another URL another."""
    pairs = {(details["url"], details["sha256"]) for _, details in _details("malicious_file")}
    assert len({url for url, _ in pairs}) == len({digest for _, digest in pairs}) == len(pairs)


SECURITY = {
    "command and control",
    "cryptomining",
    "malware advertising",
    "malware distribution",
    "phishing",
    "scam",
    "spyware",
}
CONTENT = {"deceptive ads", "hacking", "questionable activities", "questionable content", "violence"}


@pytest.mark.parametrize(("behavior", "categories"), [("suspicious_domain", SECURITY), ("high_risk_domain", CONTENT)])
def test_domain_has_a_category_and_an_action(behavior: str, categories: set[str]) -> None:
    """Suspicious domains are security threats and risks, high-risk ones questionable content (contract 18)."""
    found = list(_details(behavior))
    assert {details["category"] for _, details in found} == categories
    for finding, details in found:
        assert details["domain"], finding
        assert details["action"] in {"allowed", "warned", "blocked"}, finding


def test_levels_change_often() -> None:
    """One by one and with no reset, levels move as often as the README says, and at least 60 times."""
    changes, climbs = _climbs(LINES)
    assert changes >= 60
    assert f"moves risk levels {changes} times" in README.replace("\n", " ")
    every_step = [RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH]
    assert sum(levels == every_step for levels in climbs.values()) >= 10
    assert {levels[-1] for levels in climbs.values()} == set(RiskLevel)


def test_marta_is_taken_over() -> None:
    """A story: a login from another continent, then the data leaves, and each step moves the level."""
    lines = [line for line in LINES if line["user"]["name"] == "Marta Kowalczyk"]
    behaviors = [line["behavior"] for line in lines]
    assert behaviors.index("imp_travel") < behaviors.index("high_dlp")
    assert _climbs(lines)[0] == 3
