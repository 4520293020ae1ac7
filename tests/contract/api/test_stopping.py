"""Stopping a service while receivers wait."""

import json
import re
import threading
import time
import urllib.request
from typing import Any

from support.service import Service
from support.waiting import until


def call(url: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST JSON as a receiver."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        read: dict[str, Any] = json.loads(answer.read())
    return read


def test_a_long_poll_does_not_hold_up_the_stop(tmp_path_factory: Any) -> None:
    """SIGTERM: who waits gets an empty answer at once, and the process ends in an orderly way."""
    service = Service(tmp_path_factory.mktemp("stopping"))
    service.start()
    body = {"integration_type": "SSF", "tenant_url": "https://receiver.example.com"}
    integration = service.result("POST", "/integrations", body)
    issued = service.result("POST", f"/integrations/{integration['id']}/credentials", {"kind": "static_token"})
    stream = call(f"{service.url}/ssf/{integration['id']}/streams", issued["token"], {})
    endpoint = stream["delivery"]["endpoint_url"]
    hello = call(endpoint, issued["token"], {})
    answers: list[dict[str, Any]] = []

    def wait() -> None:
        answers.append(call(endpoint, issued["token"], {"ack": list(hello["sets"])}))

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: re.search(rb"^riskrelay_connections_open 2", service.get("/metrics"), re.M) is not None)
    time.sleep(0.5)
    began = time.monotonic()
    assert service.stop() == 0
    waiting.join(60)
    assert answers == [{"sets": {}}]
    assert time.monotonic() - began < 20  # the poll would wait 25 s
