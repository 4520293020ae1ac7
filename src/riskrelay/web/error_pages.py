"""A page for each error code, made from the one table."""

from functools import cache

from jinja2 import Environment, PackageLoader

from riskrelay.web.account_api.problem_table import PROBLEMS, ROWS

_BY_CODE = {problem.code: problem for problem in PROBLEMS}


@cache
def _templates() -> Environment:
    environment = Environment(loader=PackageLoader("riskrelay.web"), autoescape=True, trim_blocks=True)
    environment.globals["statuses"] = statuses
    return environment


def statuses(code: int) -> str:
    """Return the HTTP statuses of *code* as text.

    >>> statuses(10000)
    '401 or 403'
    """
    return " or ".join(str(row.status) for row in ROWS if row.code == code)


def render_error_page(code: int) -> str | None:
    """Return the page that explains *code*; None if the code does not exist."""
    problem = _BY_CODE.get(code)
    return None if problem is None else _templates().get_template("error.html").render(problem=problem)


def render_error_index() -> str:
    """Return the page that lists all codes."""
    return _templates().get_template("errors.html").render(problems=PROBLEMS)
