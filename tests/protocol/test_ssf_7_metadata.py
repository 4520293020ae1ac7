"""SSF 1.0 §7: a receiver finds everything by the well-known URL."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwcrypto import jwk

from support.ssf_receiver import POLL, PUSH, SsfReceiver, fetch


def urls_of(document: Any) -> Iterator[str]:
    for name, value in document.items():
        if name == "issuer" or name.endswith(("_uri", "_endpoint")):
            yield value


def test_the_metadata_is_public_json(receiver: SsfReceiver) -> None:
    """§7.2: GET between host and path of the issuer, without credentials; `issuer` is the URL it was found by."""
    issuer = urlsplit(receiver.metadata["issuer"])
    found = f"{issuer.scheme}://{issuer.netloc}/.well-known/ssf-configuration{issuer.path}"
    for url in (found, found + "/", receiver.well_known_url):
        answer = fetch(receiver.tls, "GET", url)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json == receiver.metadata
    assert receiver.metadata["issuer"] == found.replace("/.well-known/ssf-configuration", "")
    assert "public" in fetch(receiver.tls, "GET", found).headers["cache-control"]


def test_every_url_is_https_without_query_or_fragment(receiver: SsfReceiver) -> None:
    """§7.1."""
    urls = list(urls_of(receiver.metadata))
    assert len(urls) == 7
    for url in urls:
        parts = urlsplit(url)
        assert (parts.scheme, parts.query, parts.fragment) == ("https", "", ""), url


def test_the_metadata_names_everything_the_transmitter_offers(receiver: SsfReceiver) -> None:
    """§7.1, §7.1.1: every endpoint of the management API, both delivery methods, OAuth, all subjects."""
    assert set(receiver.metadata) == {
        "spec_version",
        "issuer",
        "jwks_uri",
        "delivery_methods_supported",
        "configuration_endpoint",
        "status_endpoint",
        "add_subject_endpoint",
        "remove_subject_endpoint",
        "verification_endpoint",
        "authorization_schemes",
        "default_subjects",
    }
    assert receiver.metadata["spec_version"] == "1_0"
    assert set(receiver.metadata["delivery_methods_supported"]) == {PUSH, POLL}
    assert receiver.metadata["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6749"}]
    assert receiver.metadata["default_subjects"] == "ALL"


def test_no_claim_of_the_metadata_is_empty(receiver: SsfReceiver) -> None:
    """§7.2.3: what has no elements is left out."""
    assert all(value not in ([], {}, "", None) for value in receiver.metadata.values())


def test_the_old_risc_location_is_not_served(receiver: SsfReceiver) -> None:
    """§7.2.2."""
    old = receiver.well_known_url.replace("/sse-configuration/", "/risc-configuration/")
    assert old != receiver.well_known_url
    assert fetch(receiver.tls, "GET", old).status == 404


def test_the_published_keys_are_public_and_usable(receiver: SsfReceiver) -> None:
    """§7.1 and IOP 1.0 §2.6: RSA of 2,048 bits or more for RS256, with a kid, and nothing private."""
    keys = fetch(receiver.tls, "GET", receiver.metadata["jwks_uri"]).json["keys"]
    assert keys
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert not set(key) & {"d", "p", "q", "dp", "dq", "qi", "k"}
        assert key["use"] == "sig"
        assert key["kid"] == jwk.JWK(**key).thumbprint()  # RFC 7638
    sizes = [jwt.PyJWK(key).key.key_size for key in keys if key["alg"] == "RS256"]
    assert sizes
    assert min(sizes) >= 2_048


def test_an_unknown_issuer_is_404(receiver: SsfReceiver) -> None:
    """§7.2.3: an error is said with the status that fits."""
    unknown = receiver.well_known_url[:-12] + "000000000000"
    answer = fetch(receiver.tls, "GET", unknown)
    assert answer.status == 404
    assert answer.json["error"]
