"""Paths and methods, and what is in them, against a running service (contract 1, 9, 17, 23)."""

from base64 import urlsafe_b64encode

import pytest

from riskrelay.web.app import ACCOUNT, BASE_PATHS
from support.contract import ACCOUNT_PREFIX, filled, operations
from support.service import Service
from support.wire import Answer, exchange, request

WORDS = sorted(
    {path.removeprefix(ACCOUNT_PREFIX).split("/")[1] for path, _, _ in operations() if ACCOUNT_PREFIX in path}
)
STATIC_WORDS = [word for word in WORDS if not word.startswith("{")]
UNKNOWN = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
UNKNOWN_METHODS = ("get", "X", "X-y!")


def ask(service: Service, method: str, target: str, **headers: str) -> Answer:
    """Any method, any target, with the account's token."""
    given = {"Authorization": f"Bearer {service.token}", "Content_Type": "application/json", **headers}
    raw = request(method, target, b"", **given)
    answer = exchange(int(service.settings["RISKRELAY_PORT"]), raw, head=method == "HEAD")
    assert answer is not None
    return answer


def prefix(service: Service) -> str:
    return ACCOUNT_PREFIX.replace("{account_id}", service.account_id)


@pytest.mark.parametrize(
    "id_",
    [
        UNKNOWN,
        "not-a-uuid",
        "%00",
        UNKNOWN + "%00",
        "%FF%FE",
        "%ED%A0%80",
        "%C3%A9",
        "%zz",
        "%",
        "a%2Fb",
        "%2F",
        f"{UNKNOWN}%2Fdeliveries",
        "..%2F..",
        "%0A",
        "a" * 15_000,
        "{integration_id}",
    ],
)
def test_every_id_that_is_none_has_the_one_answer(service: Service, id_: str) -> None:
    """Contract 9, 10: whatever its form, for each method, at both prefixes."""
    expected = ask(service, "GET", f"{prefix(service)}/integrations/{UNKNOWN}")
    assert (expected.status, expected.codes) == (404, {1001})
    for base in ("", "/client/v4"):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries")):
            answer = ask(service, method, f"{base}{prefix(service)}/integrations/{id_}{path}")
            assert (answer.status, answer.body) == (404, expected.body), (method, path)
        answer = ask(service, "GET", f"{base}{prefix(service)}/integrations/reference_id/{id_}")
        assert (answer.status, answer.body) == (404, expected.body)


def test_an_encoded_slash_does_not_part_a_path(service: Service) -> None:
    """Contract 9: a reference id with slashes is found encoded and as it is; an encoded route is no route."""
    body = {"integration_type": "Okta", "tenant_url": "https://example.com", "reference_id": "a/b%2Fc é"}
    made = service.result("POST", "/integrations", body)
    for written in ("a%2Fb%252Fc%20%C3%A9", "a/b%252Fc%20%c3%a9"):
        assert service.result("GET", f"/integrations/reference_id/{written}") == made
    status, envelope = service.call("GET", f"/integrations/{made['id']}%2Fdeliveries")
    assert (status, envelope["errors"][0]["code"]) == (404, 1001)


@pytest.mark.parametrize("word", STATIC_WORDS)
def test_a_reserved_path_segment_is_never_a_user(service: Service, word: str) -> None:
    """Contract 23: whatever is asked of it, nobody is looked up."""
    for base in ("", "/client/v4"):
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            answer = ask(service, method, f"{base}{prefix(service)}/{word}")
            if answer.status == 405:
                assert answer.codes == {1003}
            else:
                assert answer.status in (200, 400)
        reset = ask(service, "POST", f"{base}{prefix(service)}/{word}/reset")
        assert reset.status in (404, 405)


@pytest.mark.parametrize("path", sorted({path for path, _, _ in operations()}))
def test_a_method_that_a_path_does_not_take_is_a_405(service: Service, path: str) -> None:
    """Contract 1: in the envelope, with all that it takes in Allow (RFC 9110 §15.5.6); at both prefixes."""
    takes = {method.upper() for own, method, _ in operations() if own == path}
    takes |= {"HEAD"} if "GET" in takes else set()
    own = filled(path, account_id=service.account_id)
    for target in (own, f"/client/v4{own}") if path.startswith(ACCOUNT_PREFIX) else (own,):
        for method in METHODS:
            if method in takes:
                continue
            answer = ask(service, method, target)
            assert (answer.status, set(answer.headers["allow"].split(", "))) == (405, takes), method
            if path.startswith("/ssf/"):  # the specifications' own form
                assert method == "HEAD" or b'"error"' in answer.body
            else:
                assert method == "HEAD" or answer.codes == {1003}


@pytest.mark.parametrize("target", ["/docs", "/ssf/x/streams", "/nothing"])
@pytest.mark.parametrize("method", UNKNOWN_METHODS)
def test_a_method_that_the_server_does_not_know_is_a_501(service: Service, method: str, target: str) -> None:
    """RFC 9110 §9.1, contract 1: in the envelope."""
    answer = ask(service, method, target)
    assert (answer.status, answer.codes) == (501, {1003})


@pytest.mark.parametrize("target", ["/é", "/" + "a" * 17_000])
def test_a_target_that_no_route_can_have_is_refused_in_the_envelope(service: Service, target: str) -> None:
    """Contract 1: a byte outside ASCII (RFC 3986 §2), and more than 16 KiB."""
    answer = ask(service, "GET", target)
    assert answer.status in (400, 414)
    assert len(answer.codes) == 1


@pytest.mark.parametrize("path", sorted({path for path, method, _ in operations() if method == "get"}))
def test_head_is_get_without_the_body(service: Service, path: str) -> None:
    """RFC 9110 §9.3.2: same status, same media type."""
    target = filled(path, account_id=service.account_id)
    get, head = ask(service, "GET", target), ask(service, "HEAD", target)
    assert head.status == get.status
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.body == b""


@pytest.mark.parametrize(
    "path", sorted({path for path, _, _ in operations() if not path.startswith(("/.well-known", "/ssf"))})
)
def test_a_slash_at_the_end_is_no_redirect(service: Service, path: str) -> None:
    """No path of ours has one: an unknown route, whatever the method; a POST must not become a GET."""
    target = filled(path, account_id=service.account_id) + "/"
    for method in ("GET", "POST"):
        answer = ask(service, method, target)
        assert answer.status in (404, 405), (target, answer)
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        "//",
        "*",
        "/nothing",
        "/client/v4",
        "/client/v4/",
        "/client/v4/zones",
        "/client/v4/accounts",
        "/accounts/{a}",
        "/accounts/{a}/zt_risk_scoring",
        "/accounts/{a}/zt_risk_scoring/",
        "/accounts/{a}/zt_risk_scoring//integrations",
        "/accounts//zt_risk_scoring/integrations/x/y/z",
        "/accounts/{a}/zt_risk_scoring/summary/x",
        "/ACCOUNTS/{a}/zt_risk_scoring/integrations",
        "/accounts/{a}/zt_risk_scoring/../zt_risk_scoring/integrations",
        "/accounts/{a}/zt_risk_scoring/integrations;x=1/y/z",
        "/accounts/{a}%2Fzt_risk_scoring%2Fintegrations",
        "/%00",
        "/%ff/%zz",
        "/docs/",
        "/.well-known/",
    ],
)
def test_an_unknown_route_has_the_envelope(service: Service, target: str) -> None:
    """Contract 1: never a page, never empty, with credentials or without."""
    for method in ("GET", "POST", "OPTIONS"):
        for headers in ({}, {"Authorization": "Bearer nobody"}):
            answer = ask(service, method, target.replace("{a}", service.account_id), **headers)
            assert answer.status in (404, 405)
            assert answer.codes <= {1001, 1002, 1003}


def test_both_prefixes_have_the_same_routes() -> None:
    """What is at one is at the other; the contract describes the first."""
    assert [base + ACCOUNT for base in BASE_PATHS] == [ACCOUNT_PREFIX, f"/client/v4{ACCOUNT_PREFIX}"]


@pytest.mark.parametrize(
    "query",
    [
        "state=x",
        "state=",
        "state=%00",
        "cursor=x",
        "cursor=%00",
        "cursor=%FF",
        "cursor=é",
        "cursor=bm8=",
        "cursor=" + "A" * 9_000,
    ],
)
def test_queries_that_cannot_be_meant_are_refused(service: Service, query: str) -> None:
    """Contract 3: 400; empty ones and unknown ones are ignored."""
    made = service.create_integration("https://example.com")
    path = f"{prefix(service)}/integrations/{made['id']}/deliveries"
    assert ask(service, "GET", f"{path}?{query}").status == 400
    assert ask(service, "GET", f"{path}?cursor=&other=%FF%00").status == 200


@pytest.mark.parametrize(
    "place",
    [
        '["x",0,0]',
        '["ID",1e3,0]',
        f'["ID",0,{10**30}]',
        f'["ID",{2**40},0]',
        '["ID",-2,0]',
        '["\\u0000",0,0]',
        "[]",
        "0",
    ],
)
def test_a_cursor_that_is_made_up_is_refused(service: Service, place: str) -> None:
    """Never a 500 or a 503: what the database could not compare does not reach it."""
    made = service.create_integration("https://example.com")
    cursor = urlsafe_b64encode(place.replace("ID", UNKNOWN).encode()).decode()
    assert ask(service, "GET", f"{prefix(service)}/integrations/{made['id']}/deliveries?cursor={cursor}").status == 400


def test_unknown_headers_change_nothing(service: Service) -> None:
    """Contract 17: what SDKs send about themselves."""
    target = f"{prefix(service)}/integrations"
    headers = {
        "api_version": "2026-01-01",
        "x_stainless_lang": "python",
        "X_HTTP_Method_Override": "DELETE",
        "Upgrade": "h2c",
    }
    assert ask(service, "GET", target, **headers).status == 200
    upgrade = {"Upgrade": "websocket", "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Version": "13"}
    assert ask(service, "GET", target, **upgrade, Connection="Upgrade, close").status == 200
