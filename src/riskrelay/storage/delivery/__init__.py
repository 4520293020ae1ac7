"""SQL for streams, lanes, queued events and their outcomes."""
