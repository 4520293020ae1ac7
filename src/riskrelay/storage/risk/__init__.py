"""Statements on users, findings and activity."""
