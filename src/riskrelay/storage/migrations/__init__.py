"""The schema, step by step. `upgrade` brings a database to the newest one."""
