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
    """The HTTP statuses that *code* comes with, for people.

    >>> statuses(10000)
    '401 or 403'
    """
    return " or ".join(str(row.status) for row in ROWS if row.code == code)


def render_error_page(code: int) -> str | None:
    """The page that explains *code*; None when there is no such code."""
    problem = _BY_CODE.get(code)
    return None if problem is None else _templates().get_template("error.html").render(problem=problem)


def render_error_index() -> str:
    """The page that lists every code."""
    return _templates().get_template("errors.html").render(problems=PROBLEMS)
