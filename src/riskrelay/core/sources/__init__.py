"""Sources of signals, and the conversion of their events to findings and activity."""
