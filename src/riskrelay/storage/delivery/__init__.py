"""Statements on streams, lanes, events and what became of them."""
