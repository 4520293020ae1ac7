"""docs/errors.md, made from the table of codes."""

from riskrelay.web.account_api.problem_table import PROBLEMS
from riskrelay.web.error_pages import statuses


def render_markdown() -> str:
    """docs/errors.md."""
    lines = ["# Error codes", "", "Made by `make docs`; do not edit.", ""]
    for problem in PROBLEMS:
        lines += [f"## {problem.code} {problem.title}", "", f"HTTP {statuses(problem.code)}. {problem.explanation}", ""]
        lines += [f"- not: {problem.wrong}"] if problem.wrong else []
        lines += [f"- but: {problem.right}", ""]
    return "\n".join(lines)
