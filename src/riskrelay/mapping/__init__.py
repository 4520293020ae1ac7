"""Evaluates mapping documents: JSONata expressions over a sender's events, in separate processes (ADR 0026)."""
