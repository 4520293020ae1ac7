"""When a request is sent again, and how long the client waits before."""

from riskrelay.client.errors import AnswerLost, ClientError, RateLimited, ServiceFailed, Unreachable

_FIRST_WAIT_SECONDS = 0.2  # chosen: a service that restarts is back within seconds
_LONGEST_WAIT_SECONDS = 10.0  # chosen: the service's own Retry-After may be longer


def wait_before_retry(
    problem: ClientError, *, attempt: int, is_repeatable: bool, seconds_left: float, share: float
) -> float | None:
    """Decide whether to send a request again.

    Args:
        problem: why the last attempt failed.
        attempt: its number, from 1.
        is_repeatable: whether sending the request twice has the effect of sending it once.
        seconds_left: until the call's deadline.
        share: a random number from 0 to 1, so that many clients don't retry at the same moment.

    Returns: the seconds to wait; None: report the problem.

    A refusal without Retry-After is retried with a wait that doubles, and of which half is random.

    >>> lost = AnswerLost("the connection was closed")
    >>> wait_before_retry(lost, attempt=3, is_repeatable=True, seconds_left=60, share=1.0)
    0.8
    >>> wait_before_retry(lost, attempt=1, is_repeatable=False, seconds_left=60, share=1.0) is None
    True
    """
    if not _may_succeed(problem, is_repeatable):
        return None
    longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(attempt - 1, 10))
    wait = longest * (0.5 + share / 2)
    if isinstance(problem, RateLimited | ServiceFailed) and problem.retry_after_seconds is not None:
        # Never earlier than the service asked for; later by up to a tenth.
        wait = max(wait, problem.retry_after_seconds * (1 + share / 10))
    return wait if wait < seconds_left else None


def _may_succeed(problem: ClientError, is_repeatable: bool) -> bool:
    """Return whether the same request may succeed now without counting twice."""
    match problem:
        case Unreachable() | RateLimited() | ServiceFailed(status=503):  # nothing was stored
            return True
        case AnswerLost() | ServiceFailed():
            return is_repeatable
    return False
