"""The buttons that control a job."""

from riskrelay.core.errors import NotFound
from riskrelay.core.jobs import JobStatus
from riskrelay.web.console.visits import Visit

_STEPS = {"pause": JobStatus.PAUSED, "resume": JobStatus.RUNNING, "cancel": JobStatus.CANCELLED}


def wanted_status(visit: Visit) -> JobStatus:
    """Return the status that the last part of the URL requests.

    Raises: NotFound: there is no such button.
    """
    status = _STEPS.get(visit.request.path_params["step"])
    if status is None:
        raise NotFound
    return status
