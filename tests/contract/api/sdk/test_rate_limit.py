"""The service's own 429 is honoured by the SDKs (contract 5)."""

from collections.abc import Iterator

import pytest

from support.proxy import Proxy
from support.retrying import Sdk, call
from support.service import Service

QUOTA = 30  # so that one request comes back in two seconds: time enough between the last one of the quota and the SDK's


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that allows few requests."""
    service = Service(tmp_path_factory.mktemp("limited"), RISKRELAY_RATE_LIMIT=str(QUOTA))
    service.start()
    yield service
    assert service.stop() == 0


def test_the_sdk_waits_until_it_may_go_on(service: Service, proxy: Proxy, sdk: Sdk) -> None:
    """The token has used up its quota: 429 once, then as long as `Retry-After` says nothing, then 200."""

    def use_up() -> None:
        while service.call("GET", "/integrations")[0] == 200:
            pass

    proxy.misbehave(use_up)
    outcome = call(sdk, "create", proxy, service)
    assert proxy.statuses() == [429, 200]
    assert outcome.result["reference_id"] == "once"
    refused, granted = proxy.exchanges
    told = {name.lower(): value for name, value in refused.answer.headers.items()}
    assert granted.at - refused.answered_at >= int(told["retry-after"])
