"""Sources: where signals come from, and how their events become findings and activity."""
