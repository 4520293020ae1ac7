"""What one process has of its own: clock, randomness, caches, counters."""
