"""Push delivery of SETs to receivers. It is the only HTTP client of the service."""
