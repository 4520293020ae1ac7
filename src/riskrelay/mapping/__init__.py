"""Evaluates mapping documents: JSONata expressions over a sender's events, in processes of their own (ADR 0026)."""
