"""The local resources of one process: clock, randomness, caches, counters."""
