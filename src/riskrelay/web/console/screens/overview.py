"""The overview: how the account is doing."""

from starlette.responses import Response

from riskrelay.ports import Outside
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit


class OverviewScreens:
    """The handlers of the overview."""

    def __init__(self, outside: Outside, pages: Pages) -> None:
        self._outside = outside
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """The page."""
        return self._pages.page(visit, "overview.html")
