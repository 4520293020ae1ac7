"""Details that a page does not show: the message says what can be done about it."""

import pytest

from riskrelay.core.risk.findings import MAX_SHOWN_DETAILS_BYTES
from riskrelay.web.account_api.users import _why_left_out


@pytest.mark.parametrize(
    ("size", "has_page"),
    [(1, True), (MAX_SHOWN_DETAILS_BYTES, True), (MAX_SHOWN_DETAILS_BYTES + 1, False), (30_000_000, False)],
)
def test_a_smaller_page_is_advised_only_where_it_helps(size: int, has_page: bool) -> None:
    """Details larger than a whole answer are never shown, and the message says so."""
    message = _why_left_out(size)
    assert f"{size:,} bytes" in message
    assert ("ask for a smaller page" in message) is has_page
    assert ("never shown" in message) is not has_page
