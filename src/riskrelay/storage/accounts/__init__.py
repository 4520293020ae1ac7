"""Statements on accounts, credentials, integrations, keys and the audit log."""
