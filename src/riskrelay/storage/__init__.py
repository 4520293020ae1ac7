"""The ledger on disk: one set of tables and statements for SQLite and PostgreSQL."""
