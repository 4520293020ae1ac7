"""The number of users of each account, as this process knows it."""

from collections import OrderedDict

from riskrelay.core.integrations import AccountId

_MAX_ACCOUNTS = 100_000  # guessed: some 20 MB; an account that is dropped is known again after the next count


class CountedUsers:
    """Implements ports.UserCounts: the last count of the database, plus the users that this process stored."""

    def __init__(self) -> None:
        self._counts: OrderedDict[AccountId, int] = OrderedDict()

    def set(self, account_id: AccountId, users: int) -> None:
        """Set the count of the database."""
        self._counts[account_id] = users
        self._counts.move_to_end(account_id)
        if len(self._counts) > _MAX_ACCOUNTS:
            self._counts.popitem(last=False)

    def add(self, account_id: AccountId, users: int) -> None:
        """Add users that this process has stored."""
        if users:
            self.set(account_id, self.get(account_id) + users)

    def get(self, account_id: AccountId) -> int:
        """Return the number of users; 0 before the first count."""
        return self._counts.get(account_id, 0)
