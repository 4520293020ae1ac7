"""Risk levels, behaviors, findings, and how they become a user's level. Pure."""
