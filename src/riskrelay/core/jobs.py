"""Jobs that an operator starts and controls, and that the chores run in many steps: replays and bulk resets."""

from enum import StrEnum

from riskrelay.core.errors import Fault, FaultKind, Invalid


class JobStatus(StrEnum):
    """The state of a job."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether it is final."""
        return self in (JobStatus.COMPLETED, JobStatus.CANCELLED)


def must_change(job: str, current: JobStatus, wanted: JobStatus) -> bool:
    """Return whether a job's status must be changed to *wanted*; False: the job has this status already.

    Args:
        job: the kind of the job, in words.

    Raises: Invalid: the job is over, so it cannot be paused, resumed or cancelled.

    >>> must_change("replay", JobStatus.RUNNING, JobStatus.PAUSED), must_change("replay", *[JobStatus.PAUSED] * 2)
    (True, False)
    """
    if current is wanted:
        return False
    if current.is_over:
        message = f"this {job} is {current.value} and can't be changed; start a new one"
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)])
    return True
