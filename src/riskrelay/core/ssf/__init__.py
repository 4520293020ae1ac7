"""The Shared Signals transmitter's rules: subjects, security events, SETs, push, metadata. Pure."""
