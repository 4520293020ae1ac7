"""The first steps of an account: from nothing to an event that a receiver has verified. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        name: which form the page shows for it.
    """

    name: str
    title: str
    advice: str
    is_done: bool


def steps_of(
    *, has_integration: bool, has_behavior: bool, has_source: bool, has_finding: bool, has_receipt: bool
) -> list[Step]:
    """Return the first steps in order.

    Args:
        has_receipt: whether a receiver has accepted an event.
    """
    return [
        Step(
            name="receiver",
            title="Connect a receiver",
            advice="The identity provider that gets each change of a risk level, such as an Okta org.",
            is_done=has_integration,
        ),
        Step(
            name="behavior",
            title="Enable a behavior",
            advice="Findings of an enabled behavior give a user its risk level.",
            is_done=has_behavior,
        ),
        Step(
            name="source",
            title="Connect a source",
            advice="A log stream whose events become findings. Programs can also send findings to the API.",
            is_done=has_source,
        ),
        Step(
            name="finding",
            title="Send a test finding",
            advice="It is stored like any other finding, and raises the level of a user that you choose.",
            is_done=has_finding,
        ),
        Step(
            name="receipt",
            title="See it verified",
            advice="The receiver accepts the signed event and verifies it with the published keys.",
            is_done=has_receipt,
        ),
    ]
