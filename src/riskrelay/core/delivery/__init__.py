"""How a lane's events are worked off: which next, how long to wait, what to write down. Pure."""
