"""Decisions about a lane's events: which to push next, how long to wait, what to store. Pure."""
