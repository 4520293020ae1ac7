"""`riskrelay receive --register`, as a user runs it, at our own transmitter."""

import signal
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from riskrelay.bench.processes import free_port
from support.certificates import Authority, new_authority
from support.fork_server import shared_fork_server
from support.service import Service, environment

AUDIENCE = "https://receiver.example.com"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("authority"), "trusted")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service that may push to this machine."""
    service = Service(tmp_path_factory.mktemp("service"))
    service.start()
    service.enable_behaviors()
    yield service
    service.stop()


class Receiving:
    """A running `riskrelay receive`."""

    def __init__(self, directory: Path, *arguments: str, **settings: str) -> None:
        self._log = directory / "receive.log"
        self._log.write_bytes(b"")
        given = environment(COLUMNS="300", **settings)
        self._process = shared_fork_server().start(["receive", *arguments], given, self._log)

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        until = time.monotonic() + 60
        while text not in self.output:
            assert time.monotonic() < until, self.output
            assert self._process.poll() is None, self.output
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        return self._process.wait(60)

    def wait(self) -> int:
        return self._process.wait(60)


def integration_of(service: Service, kind: str) -> tuple[str, str, dict[str, Any]]:
    """A new SSF integration: its id, its well-known URL, and a credential of its receiver."""
    body = {"integration_type": "SSF", "tenant_url": AUDIENCE}
    made = service.result("POST", "/integrations", body)
    issued = service.result("POST", f"/integrations/{made['id']}/credentials", {"kind": kind, "name": "receiver"})
    return made["id"], made["well_known_url"], issued


def streams_of(service: Service, integration_id: str) -> list[dict[str, Any]]:
    streams: list[dict[str, Any]] = service.result("GET", f"/integrations/{integration_id}/health")["streams"]
    return streams


def finding(service: Service, email: str) -> None:
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": email}})


@pytest.mark.parametrize(("delivery", "kind"), [("push", "static_token"), ("poll", "oauth_client")])
def test_one_command_connects_it_and_takes_its_stream_away_again(
    service: Service, tmp_path: Path, delivery: str, kind: str
) -> None:
    """Discovery, token, stream, verification, events; the stream is deleted when the command is stopped."""
    integration_id, well_known, issued = integration_of(service, kind)
    settings = (
        {"RISKRELAY_RECEIVER_TOKEN": issued["token"]}
        if kind == "static_token"
        else {
            "RISKRELAY_RECEIVER_CLIENT_ID": issued["client_id"],
            "RISKRELAY_RECEIVER_CLIENT_SECRET": issued["client_secret"],
        }
    )
    port = free_port()
    options = ("--register", "--delivery", delivery, "--port", str(port), "--path", "/here")
    receiving = Receiving(tmp_path, "--well-known", well_known, *options, **settings)
    receiving.wait_for("The stream is verified")
    (stream,) = streams_of(service, integration_id)
    assert stream["delivery"] == delivery
    if delivery == "push":
        assert stream["endpoint_url"] == f"http://127.0.0.1:{port}/here"
    finding(service, f"{delivery}-{kind}@example.com")
    receiving.wait_for(f"verified {delivery}-{kind}@example.com")
    assert receiving.stop(signal.SIGTERM if delivery == "push" else signal.SIGINT) == 0, receiving.output
    assert "Deleted stream" in receiving.output
    assert streams_of(service, integration_id) == []
    assert not any(secret in receiving.output for secret in settings.values() if len(secret) > 36)


def test_a_refusal_is_said_and_nothing_stays(service: Service, tmp_path: Path) -> None:
    """A wrong token, an event list that is too long: exit code 1, and what the transmitter said."""
    _, well_known, issued = integration_of(service, "static_token")
    wrong = Receiving(tmp_path, "--well-known", well_known, "--register", "--delivery", "poll", "--token", "wrong")
    assert wrong.wait() == 1
    assert "401" in wrong.output
    assert "unknown, expired or revoked" in wrong.output
    events = [option for n in range(201) for option in ("--event", f"urn:{n}")]
    options = ("--register", "--port", str(free_port()), *events)
    refused = Receiving(tmp_path, "--well-known", well_known, *options, RISKRELAY_RECEIVER_TOKEN=issued["token"])
    assert refused.wait() == 1
    assert "events_requested" in refused.output


def test_a_url_that_is_no_transmitter_is_an_error_with_the_reason(service: Service, tmp_path: Path) -> None:
    """A 404 at the well-known URL."""
    well_known = integration_of(service, "static_token")[1].rpartition("/")[0] + "/unknown"
    for options in ((), ("--register", "--token", "x")):
        receiving = Receiving(tmp_path, "--well-known", well_known, "--port", str(free_port()), *options)
        assert receiving.wait() == 1
        assert f"{well_known} answered 404" in receiving.output


def test_another_path_is_named_over_https(service: Service, tmp_path: Path, authority: Authority) -> None:
    """A 404 names the path, also on the terminal. TLS by --tls-cert and --tls-key; --authorization is checked."""
    well_known = integration_of(service, "static_token")[1]
    files = authority.files("127.0.0.1")
    port = free_port()
    options = ("--port", str(port), "--path", "/events", "--authorization", "Bearer right")
    receiving = Receiving(
        tmp_path,
        "--well-known",
        well_known,
        *options,
        "--tls-cert",
        str(files.certificate),
        "--tls-key",
        str(files.key),
    )
    receiving.wait_for(f"https://127.0.0.1:{port}/events")
    context = ssl.create_default_context(cafile=str(authority.path))

    def post(path: str, **headers: str) -> tuple[int, str]:
        named = {"Content-Type": "application/secevent+jwt", **headers}
        request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", b"x", named, method="POST")
        for _ in range(100):
            try:
                with urllib.request.urlopen(request, context=context) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()
            except urllib.error.URLError:
                time.sleep(0.1)
        raise AssertionError(receiving.output)

    status, text = post("/security/api/v1/security-events")
    assert (status, "POST /events" in text) == (404, True)
    receiving.wait_for("POST /security/api/v1/security-events: SETs are received by POST /events")
    assert "authentication_failed" in post("/events")[1]
    assert "authentication_failed" not in post("/events", Authorization="Bearer right")[1]
    assert receiving.stop() == 0
