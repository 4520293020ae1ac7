"""The ledgers that a test has changed, and not checked since."""

UNCHECKED: set[str] = set()
"""Their database URLs: `Service` adds one with each request that is more than a look, `check_ledger` takes it out."""
