"""Signing SETs, and sealing keys and secrets at rest."""
