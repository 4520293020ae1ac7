"""What several tests share: real databases, a real receiver, a running service."""
