"""Metrics, the log line of each attempt, traces."""
