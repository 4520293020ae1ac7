"""Notifications: messages to people about conditions that need them."""
