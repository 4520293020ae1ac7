"""Commands on notification channels."""

from riskrelay.cli import notifications
from riskrelay.core.notifications.channels import Condition


def test_the_command_knows_every_condition() -> None:
    """It does not import the service, so it has a list of its own."""
    assert set(notifications._CONDITIONS) == set(Condition)
