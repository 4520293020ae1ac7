"""The endpoints of receivers, including the transmitter's metadata and keys."""
