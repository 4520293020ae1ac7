"""Accounts, tokens, keys, the audit log, integrations and the credentials of their receivers."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    false,
)

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

accounts = Table("accounts", metadata, account(), Column("created_at", Moment, nullable=False))

INSTALLATION = ""  # the account_id of rows of the installation; no account has an empty id

tokens = Table(
    "tokens",
    metadata,
    account(),
    Column("token_id", String(36), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    Index("tokens_token_hash_index", "token_hash"),
)

# Triggers of the migrations refuse UPDATE, and DELETE of entries of the last 60 days.
audit_entries = Table(
    "audit_entries",
    metadata,
    account(),
    Column("at", Moment, primary_key=True),
    Column("entry_id", String(36), primary_key=True),
    Column("actor_token_id", String(36)),
    Column("actor_name", String(255), nullable=False),
    Column("actor_address", Text),
    Column("verb", String(16), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("thing_id", String(255), nullable=False),
    Column("note", Text),
    sqlite_with_rowid=False,
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("sealed_private", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("signs_from", Moment),
    Column("retired_at", Moment),
)
for _name, _state in (
    ("signing_keys_current_unique", signing_keys.c.signs_from.is_not(None) & signing_keys.c.retired_at.is_(None)),
    ("signing_keys_next_unique", signing_keys.c.signs_from.is_(None)),
):
    Index(_name, signing_keys.c.algorithm, unique=True, sqlite_where=_state, postgresql_where=_state)

integrations = Table(
    "integrations",
    metadata,
    account(),
    Column("integration_id", String(36), primary_key=True),
    Column("integration_type", String(32), nullable=False),
    Column("reference_id", String(255), nullable=False),
    Column("tenant_url", String(2048), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("public_origin", String(2048), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("signing_algorithm", String(16), nullable=False, server_default="RS256"),
    Column("position", BigInteger, nullable=False),
    Column("deleted_at", Moment),
    Column("paused_at", Moment),
    Column("pause_reason", Text),
    Column("pushes_per_second", Integer),
    Column("concurrency", Integer),
    Column("coalesces_level_changes", Boolean, nullable=False, server_default=false()),
    Column("trusted_ca", Text),
    Column("client_certificate", Text),
    Column("sealed_client_key", LargeBinary),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    Index("integrations_integration_id_index", "integration_id"),
)
Index(
    "integrations_reference_unique",
    integrations.c.account_id,
    integrations.c.reference_id,
    unique=True,
    sqlite_where=integrations.c.deleted_at.is_(None),
    postgresql_where=integrations.c.deleted_at.is_(None),
)

receiver_credentials = Table(
    "receiver_credentials",
    metadata,
    account(),
    Column("integration_id", String(36), primary_key=True),
    Column("credential_id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(255), nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    ForeignKeyConstraint(["account_id", "integration_id"], ["integrations.account_id", "integrations.integration_id"]),
)

refused_requests = Table(
    "refused_requests",
    metadata,
    account(),
    Column("integration_id", String(36), primary_key=True),
    Column("operation", String(32), primary_key=True),
    Column("status", SmallInteger, nullable=False),
    Column("error", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("refused_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id", "integration_id"], ["integrations.account_id", "integrations.integration_id"]),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    account(),
    Column("integration_id", String(36), primary_key=True),
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("credential_id", String(36), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "integration_id", "credential_id"],
        [f"receiver_credentials.{name}" for name in ("account_id", "integration_id", "credential_id")],
    ),
    Index("access_tokens_credential_index", "account_id", "integration_id", "credential_id", "expires_at"),
)
