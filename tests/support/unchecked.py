"""The ledgers that a test has changed, and not checked since."""

UNCHECKED: set[str] = set()
"""Their names: `Service` adds its database with each request that is more than a look, the `World` of one process its
store with each batch; the checks take it out."""
