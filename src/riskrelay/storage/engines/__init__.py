"""The two database engines: SQLite and PostgreSQL."""
