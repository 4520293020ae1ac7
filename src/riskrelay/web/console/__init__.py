"""The console: pages for people, over the same actions and reads as the API (ADR 0011)."""
