"""What the service reaches for outside: signing, pushing, the clock, randomness."""
