"""Pushing SETs to receivers: the only HTTP client of the service."""
