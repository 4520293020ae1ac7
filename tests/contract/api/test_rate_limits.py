"""Limits per token, against a running service (contract 5; faults.md row 36)."""

import re
import threading
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from cloudflare import Cloudflare, RateLimitError

from support.service import Service

QUOTA = 30


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that allows few requests."""
    service = Service(tmp_path_factory.mktemp("limited"), RISKRELAY_RATE_LIMIT=str(QUOTA))
    service.start()
    yield service
    assert service.stop() == 0


@pytest.fixture
def service(limited: Service) -> Service:
    """The limited service, with a token that has its whole quota."""
    limited.token = limited.new_token(limited.account_id)
    return limited


def ask(service: Service, token: str | None = None) -> tuple[int, Message]:
    path = f"/accounts/{service.account_id}/zt_risk_scoring/integrations"
    status, headers, _ = service.exchange("GET", path, Authorization=f"Bearer {token or service.token}")
    return status, headers


def remaining(headers: Message) -> int:
    found = re.fullmatch(r'"default";r=(\d+);t=(\d+)', headers["Ratelimit"])
    assert found is not None, headers["Ratelimit"]
    assert 0 <= int(found[2]) <= 60
    return int(found[1])


def test_every_response_to_a_valid_token_has_the_remaining_limit(service: Service) -> None:
    """Successes, refusals and unknown ids; in the form that the SDKs read."""
    status, headers = ask(service)
    assert status == 200
    assert headers["Ratelimit-Policy"] == f'"default";q={QUOTA};w=60'
    assert remaining(headers) == QUOTA - 1
    token = {"Authorization": f"Bearer {service.token}"}
    own = f"/accounts/{service.account_id}/zt_risk_scoring"
    for place, (method, path, expected) in enumerate(
        [
            ("GET", "/accounts/other/zt_risk_scoring/integrations", 403),
            ("GET", f"{own}/integrations/unknown", 404),
            ("POST", f"{own}/integrations", 400),
            ("GET", "/user/tokens/verify", 200),
        ]
    ):
        status, headers, _ = service.exchange(method, path, **token)
        assert status == expected
        assert remaining(headers) == QUOTA - 2 - place


def test_without_a_valid_token_nothing_is_said_and_nothing_counted(service: Service) -> None:
    """Whoever sends made-up tokens learns nothing, and uses up nobody's quota."""
    for _ in range(QUOTA * 2):
        status, headers = ask(service, "nobody-has-this")
        assert status == 401
        assert headers["Ratelimit"] is None
    assert remaining(ask(service)[1]) == QUOTA - 1


def test_too_many_requests_are_refused_until_retry_after(service: Service) -> None:
    """Contract 5: 429 in the envelope, code 1007, retry-after in whole seconds from 1 to 59; other tokens go on."""
    other = service.new_token(service.account_id)
    statuses = [ask(service)[0] for _ in range(QUOTA)]
    assert statuses == [200] * QUOTA
    path = f"/accounts/{service.account_id}/zt_risk_scoring/integrations"
    status, headers, envelope = service.exchange("GET", path, Authorization=f"Bearer {service.token}")
    assert status == 429
    assert [error["code"] for error in envelope["errors"]] == [1007]
    assert envelope["success"] is False
    assert re.fullmatch(r"[1-9]|[1-5]\d", headers["Retry-After"])
    assert remaining(headers) == 0
    assert ask(service, other)[0] == 200
    time.sleep(int(headers["Retry-After"]))
    assert ask(service)[0] == 200


def test_the_sdk_waits_and_retries(service: Service) -> None:
    """A 429 is honoured by the official Python SDK; without retries it raises its own error."""
    for _ in range(QUOTA):
        ask(service)
    url = f"{service.url}/client/v4"
    with Cloudflare(api_token=service.token, base_url=url, max_retries=0) as impatient, pytest.raises(RateLimitError):
        impatient.user.tokens.verify()
    with Cloudflare(api_token=service.token, base_url=url, max_retries=3) as patient:
        verified = patient.user.tokens.verify()
    assert verified is not None
    assert verified.status == "active"


@pytest.mark.fault(36)
def test_a_flood_leaves_others_alone(service: Service) -> None:
    """faults.md 36: while one account floods, another one is served, every time, and the flooder has its quota and no
    more. How long the other waits is not measured here: time on a shared machine says nothing."""
    flooder = service.new_token("flooder")
    path = "/accounts/flooder/zt_risk_scoring/integrations"
    stop = threading.Event()
    began = time.monotonic()
    answered: list[int] = []

    def flood() -> None:
        while not stop.is_set():
            answered.append(service.exchange("GET", path, Authorization=f"Bearer {flooder}")[0])

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        while answered.count(429) < 20:
            time.sleep(0.01)
        statuses = [ask(service)[0] for _ in range(QUOTA - 5)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses == [200] * (QUOTA - 5)
    assert set(answered) == {200, 429}
    assert answered.count(200) <= QUOTA * (1 + (time.monotonic() - began) / 60)


def test_zero_means_no_limit(tmp_path: Path) -> None:
    """RISKRELAY_RATE_LIMIT=0: no header fields, no 429."""
    service = Service(tmp_path, RISKRELAY_RATE_LIMIT="0")
    service.start()
    answers = [ask(service) for _ in range(50)]
    assert service.stop() == 0
    assert {status for status, _ in answers} == {200}
    assert {headers["Ratelimit-Policy"] for _, headers in answers} == {None}
