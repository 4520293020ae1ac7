"""The background tasks of the service: the delivery worker and the chores."""
