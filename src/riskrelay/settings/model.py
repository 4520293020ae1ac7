"""Every setting. docs/settings.md lists them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from riskrelay.core.errors import Misconfigured
from riskrelay.ports import Check
from riskrelay.settings.sources import read_secret, read_toml
from riskrelay.settings.values import (
    CommaSeparated,
    DatabaseUrl,
    Network,
    Origin,
    ProxyUrl,
    Sender,
    SmtpUrl,
    without_user,
)
from riskrelay.settings.warnings import loosened_by
from riskrelay.settings.wording import PREFIX

LogLevel = Literal["debug", "info", "warning", "error"]

FROM_FILES = ("database_url", "master_key", "smtp_url")  # secrets, which a file can hold instead of the environment


class Settings(BaseSettings):
    """The settings, from the environment (`RISKRELAY_…`) or the TOML file that `RISKRELAY_CONFIG` names."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: DatabaseUrl = Field(
        "sqlite:///riskrelay.db",
        repr=False,  # it may hold a password
        description="The database: `sqlite:///FILE` (one machine) or `postgresql://…` (several machines).",
    )
    database_url_file: Path | None = Field(
        None, description="A file that contains the database URL. Use it instead of `RISKRELAY_DATABASE_URL`."
    )
    public_url: Origin = Field(
        "http://127.0.0.1:8700",
        description="The URL at which receivers reach this service. It is part of every new issuer and well-known URL.",
    )
    host: str = Field("127.0.0.1", description="The address that `serve` listens on, and `worker` for its metrics.")
    port: int = Field(8700, ge=0, le=65_535, description="The port that `serve` listens on.")
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="The port on which `worker` serves /metrics, /healthz and /readyz over plain HTTP. Default: none. "
        "`serve` serves them on its main port.",
    )
    operations_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="An additional port on which `serve` serves /metrics, /healthz and /readyz over plain HTTP. It has "
        "its own connection limit, so that clients of the main port can't block monitoring. Default: none. The main "
        "port serves them, too.",
    )
    drain_seconds: int = Field(
        10,
        ge=0,
        le=600,
        description="How long active requests may take after SIGTERM before their connections are closed. Pushes in "
        "flight may take up to 20 s more. Set the stop timeout of the service manager (45 s in the systemd unit) "
        "higher than the sum.",
    )
    tls_cert: Path | None = Field(
        None,
        description="A PEM file with the certificate chain, the server's certificate first. If set, `serve` uses HTTPS "
        "(TLS 1.2 and 1.3). Read at startup.",
    )
    tls_key: Path | None = Field(None, description="A PEM file with the private key of the certificate, not encrypted.")
    trusted_proxies: CommaSeparated[Network] = Field(
        default=[],
        description="Networks (CIDR) of proxies whose `X-Forwarded-For` or `Forwarded` header provides the client "
        "address for the audit log. From other addresses, the headers are ignored.",
    )
    master_key: str | None = Field(
        None,
        repr=False,
        description="The key that encrypts keys and secrets at rest. Separate several keys with commas: the first "
        "encrypts, all decrypt. Default: the file that `init` creates next to the SQLite database.",
    )
    master_key_file: Path | None = Field(
        None,
        description="A file that contains one or more master keys, such as a secret of systemd, Docker or Kubernetes. "
        "Use it instead of `RISKRELAY_MASTER_KEY`.",
    )
    allow_targets: CommaSeparated[str] = Field(
        default=[],
        description="Networks (CIDR) or hosts with addresses that are not public, to which pushes are allowed.",
    )
    allow_http_targets: bool = Field(
        False, description="Whether SETs may be pushed over plain HTTP. For development only."
    )
    egress_proxy: ProxyUrl | None = Field(
        None,
        repr=False,  # it may hold a password
        description="An http:// or https:// proxy, optionally with user name and password, through which SETs are "
        "pushed (CONNECT to the checked address, HTTPS receivers only). The service still resolves host names itself.",
    )
    smtp_url: SmtpUrl | None = Field(
        None,
        repr=False,  # it may hold a password
        description="The SMTP server that sends notifications by e-mail: `smtp://user:password@HOST:587` (STARTTLS is "
        "required) or `smtps://user:password@HOST` (TLS). For a relay without TLS and password: "
        "`smtp://HOST:25?starttls=no`. Default: none, so channels can't be e-mail addresses.",
    )
    smtp_url_file: Path | None = Field(
        None, description="A file that contains the SMTP URL. Use it instead of `RISKRELAY_SMTP_URL`."
    )
    smtp_from: Sender | None = Field(
        None, description="The e-mail address that notifications come from. Required with `RISKRELAY_SMTP_URL`."
    )
    retention_days: int = Field(
        7, ge=1, le=365, description="How many days an undelivered event is kept and attempted."
    )
    history_days: int = Field(
        7,
        ge=0,
        le=3_650,
        description="How many days after that an event, its attempts and its outcome are kept. During this time, it "
        "can be viewed and replayed.",
    )
    audit_days: int = Field(
        730,  # guessed: two annual audits
        ge=90,
        le=36_500,
        description="How many days entries of the audit log are kept. A database trigger rejects the deletion of "
        "entries of the last 60 days.",
    )

    findings_days: int = Field(
        400,  # chosen: a year, and time to compare with it
        ge=1,
        le=36_500,
        description="How many days a finding is kept after it occurred. A user's risk level, behaviors and counts "
        "don't change when findings are removed.",
    )

    lease_seconds: int = Field(
        60,
        ge=30,  # the longest push, 20 s, has to end at 80 % of it
        le=600,
        description="PostgreSQL: after how many seconds other nodes take over the lanes of a node that died. A running "
        "node renews its leases.",
    )
    level_changes_per_second: int = Field(
        500,  # guessed: slow enough for receivers, fast enough for 100,000 users in a few minutes
        ge=1,
        le=100_000,
        description="Maximum number of users per second whose risk level the service changes because findings have "
        "expired or rules apply, of all processes together. More users wait.",
    )
    rate_limit: int = Field(
        60_000,  # guessed: far above what a client needs, low enough to leave others room
        ge=0,
        le=100_000_000,
        description="Maximum number of requests per minute from one token to one process. 0 disables the limit.",
    )

    quota_tokens: int = Field(
        1_000,  # guessed: one for each service that calls, with room
        ge=1,
        le=100_000,
        description="Maximum number of tokens of an account, and of the installation.",
    )
    quota_integrations: int = Field(
        1_000,  # guessed: one for each tenant and environment, with room
        ge=1,
        le=100_000,
        description="Maximum number of integrations of an account.",
    )
    quota_receiver_credentials: int = Field(
        100,  # guessed: a receiver has one or two, and a new one while it changes them
        ge=1,
        le=100_000,
        description="Maximum number of receiver credentials of an integration.",
    )
    quota_sources: int = Field(
        100,  # guessed: a company has ten or twenty log streams that name users
        ge=1,
        le=10_000,
        description="Maximum number of sources of an account.",
    )
    quota_running_replays: int = Field(
        100,  # guessed: an operator starts a few
        ge=1,
        le=10_000,
        description="Maximum number of running and paused replays of an integration.",
    )
    quota_users: int = Field(
        1_000_000,  # guessed: ten times the largest company that was measured
        ge=1,
        le=100_000_000,
        description="Maximum number of users of an account. They are counted every few seconds, so slightly more can "
        "be stored.",
    )
    quota_findings_per_user: int = Field(
        10_000,  # guessed: ten a day for almost three years
        ge=100,
        le=10_000_000,
        description="Maximum number of findings kept per user. The oldest are deleted first. The risk level does not "
        "change.",
    )
    quota_directory_entries: int = Field(
        1_000_000,  # guessed: as many as users
        ge=1,
        le=100_000_000,
        description="Names of users and devices that the directory of one account may have.",
    )
    quota_console_sessions: int = Field(
        100,  # guessed: a team that shares a token, on several browsers
        ge=1,
        le=10_000,
        description="Maximum number of console sessions per token. A new session ends the oldest one.",
    )

    failed_authentication_limit: int = Field(
        600,  # guessed: far above what a misconfigured client sends by mistake
        ge=0,
        le=1_000_000,
        description="Maximum number of rejected credentials per minute from one client address (IPv6: one /64 "
        "network). Further attempts get a 429 without a database query. Credentials that were valid before still "
        "work. 0 disables the limit.",
    )

    geoip: CommaSeparated[Path] = Field(
        default=[],
        description="Files in the MaxMind DB format, separated by commas, that say where addresses are: a city "
        "database and an ASN database, such as GeoLite2 or DB-IP. They are read again within a minute of a change. "
        "Default: none, so only logins with coordinates have a place.",
    )

    log_level: LogLevel = Field(
        "info",
        description="The log level. `info` logs every delivery attempt, `warning` only failed attempts.",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in FROM_FILES:
            file = given.get(f"{name}_file")
            if file is None:
                continue
            setting = f"{PREFIX}{name.upper()}"
            if given.get(name):  # a variable that is empty is as good as unset here
                raise ValueError(f"set {setting} or {setting}_FILE, not both")
            given = {**given, name: read_secret(f"{setting}_FILE", Path(str(file)))}
        return given

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("set both RISKRELAY_TLS_CERT and RISKRELAY_TLS_KEY, or neither")
        if self.tls_cert is not None and not self.public_url.startswith("https://"):
            raise ValueError(
                "RISKRELAY_PUBLIC_URL must start with https:// when RISKRELAY_TLS_CERT is set, because receivers use it"
            )
        return self

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if bool(self.smtp_url) != bool(self.smtp_from):
            raise ValueError(
                "set both RISKRELAY_SMTP_URL (or RISKRELAY_SMTP_URL_FILE) and RISKRELAY_SMTP_FROM, or neither"
            )
        return self

    @property
    def loosened(self) -> list[Check]:
        """What these settings allow beyond the safe defaults, each with its name."""
        return loosened_by(self)

    @property
    def public(self) -> dict[str, Any]:
        """The settings as JSON has them, without secrets; of a proxy's user and password only that there are any."""
        shown = self.model_dump(mode="json", exclude={*FROM_FILES, *(f"{name}_file" for name in FROM_FILES)})
        return shown | {"egress_proxy": without_user(self.egress_proxy)}

    @property
    def has_hidden_proxy(self) -> bool:
        """Whether user and password of the egress proxy are missing: these are settings of another process."""
        return "://***@" in (self.egress_proxy or "")

    def as_running(self, public: Mapping[str, object]) -> Self:
        """Return the settings of a process that described itself with *public*.

        Secrets stay these ones, and so do the sender of e-mails, which needs the secret of its server, and the metrics
        port, which belongs to the worker of this machine.

        Raises: Misconfigured: this version cannot read them.
        """
        known = {name: value for name, value in public.items() if name in type(self).model_fields}
        if known.get("egress_proxy") == without_user(self.egress_proxy):
            known["egress_proxy"] = self.egress_proxy
        secrets = {name: getattr(self, name) for name in FROM_FILES} | {f"{name}_file": None for name in FROM_FILES}
        try:
            return type(self)(**{**known, **secrets, "metrics_port": self.metrics_port, "smtp_from": self.smtp_from})
        except ValidationError as error:
            raise Misconfigured("the service has another version of riskrelay; run doctor with that version") from error

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None with PostgreSQL."""
        if not self.database_url.startswith("sqlite:///"):
            return None
        return Path(self.database_url.removeprefix("sqlite:///"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the TOML file."""
        path = os.environ.get("RISKRELAY_CONFIG")
        if not path:
            return init_settings, env_settings
        return init_settings, env_settings, InitSettingsSource(settings_cls, read_toml(Path(path), cls.model_fields))
