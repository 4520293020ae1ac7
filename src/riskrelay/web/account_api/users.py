"""Users. Rule: contract 21."""

from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.reset_user import reset_user
from riskrelay.credentials import Scope
from riskrelay.ports import Outside
from riskrelay.risk.findings import UserId
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of


class UserRoutes:
    """The handlers of users."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def reset(self, request: Request) -> Response:
        caller = await caller_of(request, self._outside, Scope.WRITE)
        await reset_user(self._outside, caller.account_id, caller.actor, UserId(request.path_params["user_id"]))
        return success({})
