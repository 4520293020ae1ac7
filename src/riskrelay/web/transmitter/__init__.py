"""What receivers read: the transmitter's metadata and keys."""
