"""The explanations of the error codes, for their pages."""

from riskrelay.web.account_api.problem_table import ROWS


def statuses(code: int) -> str:
    """Return the HTTP statuses of *code* as text.

    >>> statuses(10000)
    '401 or 403'
    """
    return " or ".join(str(row.status) for row in ROWS if row.code == code)
