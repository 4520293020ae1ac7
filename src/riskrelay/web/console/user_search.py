"""Search users by the beginning of the e-mail, and then by any part of the e-mail or name."""

from collections.abc import Sequence

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.risk_filters import ANY_RISK, RiskFilter
from riskrelay.ports import Transaction
from riskrelay.web.console.paging import Text, place_of, read_place, split


def search_users(
    tx: Transaction, search: str, after: str | None, limit: int, wanted: RiskFilter = ANY_RISK
) -> tuple[Sequence[Standing], str | None]:
    """Return a page of users, those whose e-mail begins with the searched text first.

    Args:
        limit: one more than a page has.

    Returns: the users, and the position after which the next page starts. The users that are found by a part follow the
        others on the first page as far as there is room; a longer text finds the others.
    """
    place = read_place(after, tuple[Text])
    found = tx.user_views.by_email(search, None if place is None else place[0], limit, wanted)
    page, last = split(found, limit - 1)
    if last is not None:
        return page, place_of(last.email_key)
    room = limit - 1 - len(page)
    if place is not None or not search or not room:
        return page, None
    known = {user.user_id for user in page}
    others = [user for user in tx.user_views.by_part(search, limit, wanted) if user.user_id not in known]
    return [*page, *others[:room]], None
