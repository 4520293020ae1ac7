"""What strangers and operators wrote shows as text on the screens of integrations: one test for each field."""

from collections.abc import Iterator
from html import escape

import pytest

from support.oracle import HOSTILE
from support.service import Oracle, Service, running
from support.visitor import Visitor

ESCAPED = (escape(HOSTILE), escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("hostile")) as service:
        service.enable_behaviors()
        yield service


@pytest.fixture(scope="module")
def oracle(service: Service) -> Iterator[Oracle]:
    oracle = Oracle(service.log.parent)
    oracle.start()
    yield oracle
    oracle.stop()


@pytest.fixture
def visitor(service: Service) -> Visitor:
    visitor = Visitor(service)
    visitor.sign_in()
    return visitor


def make(service: Service, reference_id: str, tenant_url: str, kind: str = "Okta") -> str:
    """An integration's path below the account's."""
    body = {"integration_type": kind, "tenant_url": tenant_url, "reference_id": reference_id}
    return f"/integrations/{service.result('POST', '/integrations', body)['id']}"


def shows_as_text(visitor: Visitor, *paths: str) -> None:
    """Every page is there, has the payload escaped, and nowhere as it is; nothing steers a terminal."""
    for path in paths:
        page = visitor.ask("GET", f"/console/accounts/acme{path}")
        assert page.status == 200, (path, page.text)
        assert any(text in page.text for text in ESCAPED), path
        for piece in ("<script>alert", "<img src=x", "\x1b"):
            assert piece not in page.text, path


def parts(own: str) -> list[str]:
    """The screens of one integration."""
    return [own, *(f"{own}/{part}" for part in ("deliveries", "replays", "receivers", "setup", "settings"))]


def test_a_reference(service: Service, visitor: Visitor, oracle: Oracle) -> None:
    """In the list, and on every screen of the integration."""
    shows_as_text(visitor, *parts(make(service, HOSTILE, oracle.url)), "/integrations")


def test_a_tenant_url(service: Service, visitor: Visitor) -> None:
    """It takes no white space; the rest of the payload is a path."""
    url = "https://example.com/<script>alert(1)</script>'"
    own = make(service, "tenant", url, "SSF")
    for path in (own, "/integrations", f"{own}/setup", f"{own}/settings"):
        page = visitor.ask("GET", f"/console/accounts/acme{path}")
        assert "https://example.com/&lt;script&gt;alert(1)&lt;/script&gt;&#39;" in page.text
        assert "<script>alert" not in page.text


def test_the_reason_of_a_pause(service: Service, visitor: Visitor, oracle: Oracle) -> None:
    """In the health header."""
    own = make(service, "paused", oracle.url)
    service.result("POST", f"{own}/pause", {"reason": HOSTILE})
    shows_as_text(visitor, own)


def test_a_receivers_answer(service: Service, visitor: Visitor, oracle: Oracle) -> None:
    """On the delivery, in the list, in the tail and among the dead letters; its colors are gone."""
    own = make(service, "answers", f"{oracle.url}/hostile")
    service.result("POST", f"{own}/verify")
    oracle.wait_for("/hostile/security/api/v1/security-events", 1)
    page = visitor.ask("GET", f"/console/accounts/acme{own}/deliveries?state=dead")
    while "/deliveries/" not in page.text:
        page = visitor.ask("GET", f"/console/accounts/acme{own}/deliveries?state=dead")
    delivery = page.text.split(f"{own}/deliveries/")[1].split('"')[0]
    shows_as_text(visitor, own, f"{own}/deliveries/{delivery}", f"{own}/deliveries?state=dead")
    for path in ("/dead-letters", "/live"):
        page = visitor.ask("GET", f"/console/accounts/acme{path}")
        assert page.status == 200
        assert "<script>alert" not in page.text


def test_the_name_of_a_credential(service: Service, visitor: Visitor) -> None:
    """In the list of credentials."""
    own = make(service, "credentials", "https://ssf.example.com", "SSF")
    service.result("POST", f"{own}/credentials", {"kind": "static_token", "name": HOSTILE})
    shows_as_text(visitor, f"{own}/receivers")


def test_a_users_email(service: Service, visitor: Visitor, oracle: Oracle) -> None:
    """In the decoded SET and in the tail: what an address may hold of markup, since brackets and quotes are refused."""
    own = make(service, "emails", oracle.url)
    email = "&lt;script&#62;'{{7*7}}'@example.com".replace(";", "")
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": email}})
    page = visitor.ask("GET", f"/console/accounts/acme{own}/deliveries")
    delivery = page.text.split(f"{own}/deliveries/")[1].split('"')[0]
    for path in (f"{own}/deliveries/{delivery}", "/live"):
        page = visitor.ask("GET", f"/console/accounts/acme{path}")
        assert "&amp;ltscript&amp;#62&#39;{{7*7}}&#39;@example.com" in page.text
        assert email not in page.text


def test_the_description_and_the_reason_of_a_stream(service: Service, visitor: Visitor) -> None:
    """What a receiver says about its stream and about pausing it."""
    own = make(service, "stream", "https://ssf.example.com", "SSF")
    token = service.result("POST", f"{own}/credentials", {"kind": "static_token"})["token"]
    base = own.replace("/integrations/", "/ssf/")
    key = {"Authorization": f"Bearer {token}"}
    delivery = {"method": "urn:ietf:rfc:8936"}
    status, _, stream = service.exchange(
        "POST", f"{base}/streams", {"delivery": delivery, "description": HOSTILE}, **key
    )
    assert status == 201
    shows_as_text(visitor, f"{own}/receivers")
    body = {"stream_id": stream["stream_id"], "status": "paused", "reason": HOSTILE}
    assert service.exchange("POST", f"{base}/status", body, **key)[0] == 200
    shows_as_text(visitor, own)


@pytest.mark.parametrize("query", ["q", "state", "integration", "after"])
def test_what_a_filter_says(visitor: Visitor, query: str) -> None:
    """On the screens that take it: shown as text, or not at all."""
    for path in ("/integrations", "/live", "/dead-letters"):
        page = visitor.ask("GET", f"/console/accounts/acme{path}?{query}=%3Cscript%3Ealert(1)%3C/script%3E")
        assert page.status == 200
        assert "<script>alert" not in page.text


def test_invalid_input_is_shown_again_as_text(visitor: Visitor) -> None:
    """In the wizard: with what is wrong beside it."""
    csrf = visitor.ask("GET", "/console/accounts/acme/integrations/new").csrf
    fields = {"csrf": csrf, "integration_type": "Okta", "tenant_url": HOSTILE, "reference_id": HOSTILE}
    page = visitor.ask("POST", "/console/accounts/acme/integrations", fields)
    assert page.status == 400
    assert "must not contain white space" in page.text
    assert "<script>alert" not in page.text


def test_what_a_receiver_was_refused(service: Service, visitor: Visitor) -> None:
    """The integration's screen and the command show one sentence, without any text of the receiver."""
    own = make(service, "refused", "https://receiver.example.com", "SSF")
    integration_id = own.rpartition("/")[2]
    issued = service.result("POST", f"{own}/credentials", {"kind": "static_token", "name": "receiver"})
    headers = {"Authorization": f"Bearer {issued['token']}"}
    body = {"delivery": {"method": HOSTILE}, "description": HOSTILE, HOSTILE: HOSTILE}
    assert service.exchange("POST", f"/ssf/{integration_id}/streams", body, **headers)[0] == 400
    page = visitor.ask("GET", f"/console/accounts/acme{own}").text
    assert "last create was rejected (400, " in page
    assert "<script>alert" not in page
    printed = service.command("integration", "health", integration_id).stdout
    assert "The receiver's last create was rejected (400, " in printed
    assert "delivery.method" in printed
    assert "\x1b" not in printed
