"""Every setting, read once. docs/settings.md lists them."""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from riskrelay.errors import Misconfigured
from riskrelay.ports import Check, Verdict

LogLevel = Literal["debug", "info", "warning", "error"]


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """The settings, from the environment (`RISKRELAY_…`) or the TOML file that `RISKRELAY_CONFIG` names."""

    model_config = SettingsConfigDict(env_prefix="RISKRELAY_", frozen=True, extra="forbid")

    database_url: str = Field(
        "sqlite:///riskrelay.db",
        description="Where everything is kept: `sqlite:///FILE` (one machine) or `postgresql://…` (many).",
    )
    public_url: str = Field(
        "http://127.0.0.1:8700",
        description="Where receivers reach this service; becomes part of every new issuer and well-known URL.",
    )
    host: str = Field("127.0.0.1", description="The address `serve` listens on, and `worker` for its metrics.")
    port: int = Field(8700, ge=0, le=65_535, description="The port `serve` listens on.")
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="The port on which `worker` shows /metrics, /healthz and /readyz, over plain http; default: none. "
        "`serve` shows them on its own.",
    )
    tls_cert: Path | None = Field(
        None,
        description="Makes `serve` speak https (TLS 1.2 and 1.3): the file with the certificate chain, PEM, the "
        "server's own first. Read when it starts.",
    )
    tls_key: Path | None = Field(None, description="The file with that certificate's private key, PEM, not encrypted.")
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        default=[],
        description="Networks (CIDR) of proxies whose `X-Forwarded-For` or `Forwarded` says who called, for the audit "
        "log. From anybody else these headers change nothing.",
    )
    master_key: str | None = Field(
        None,
        description="Encrypts keys and secrets at rest; several, separated by commas: the first encrypts, all "
        "decrypt. Default: the file beside the SQLite database that `init` makes.",
    )
    allow_targets: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Networks (CIDR) or hosts that may be pushed to although they are not public addresses.",
    )
    allow_http_targets: bool = Field(
        False, description="Whether SETs may be pushed over plain http. For development only."
    )
    egress_proxy: str | None = Field(
        None,
        repr=False,  # it may hold a password
        description="An http:// or https:// proxy, perhaps with user name and password, through which SETs are pushed "
        "(CONNECT to the address that was judged; https receivers only). Names are still looked up here.",
    )
    retention_days: int = Field(7, ge=1, le=365, description="How long an undelivered event is kept and tried.")
    history_days: int = Field(
        7,
        ge=0,
        le=3_650,
        description="How long after that an event, its attempts and what became of it are kept: so long it can be "
        "looked at and replayed.",
    )

    lease_seconds: int = Field(
        60,
        ge=30,  # the longest push, 20 s, has to end at 80 % of it
        le=600,
        description="PostgreSQL: how long a node that died keeps its lanes from the others. While it lives it renews "
        "them.",
    )
    rate_limit: int = Field(
        60_000,  # guessed: far above what a client needs, low enough to leave others room
        ge=0,
        le=100_000_000,
        description="Requests a minute that one token may send to one process; 0: as many as it likes.",
    )

    log_level: LogLevel = Field(
        "info",
        description="What is logged: with `info` one line for each attempt, with `warning` only for those that failed.",
    )

    failpoint: str | None = Field(
        None,
        description="Ends the process at the named place, as a power cut would: for tests of crashes only. Unset it.",
    )

    _split = field_validator("allow_targets", "trusted_proxies", mode="before")(_comma_separated)

    @field_validator("database_url")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return value

    @field_validator("public_url")
    @classmethod
    def _origin_only(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an absolute http or https URL without query, such as https://risk.example.com")
        if parts.path not in ("", "/"):
            raise ValueError("must be an origin without a path: well-known URLs stand at the root of a host")
        return value.rstrip("/")

    @field_validator("egress_proxy")
    @classmethod
    def _proxy_origin(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://none")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("must be like http://proxy.example.com:3128 or https://user:password@proxy.example.com")
        return value

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("set RISKRELAY_TLS_CERT and RISKRELAY_TLS_KEY, both or none")
        if self.tls_cert is not None and not self.public_url.startswith("https://"):
            raise ValueError(
                "RISKRELAY_PUBLIC_URL must start with https:// when RISKRELAY_TLS_CERT is set: receivers are told it"
            )
        return self

    @property
    def loosened(self) -> list[Check]:
        """What these settings allow beyond the safe defaults, each with its name."""
        anybody = [str(network) for network in self.trusted_proxies if network.prefixlen == 0]
        found = {
            "ALLOW_TARGETS": (
                self.allow_targets,
                "pushed to although not public: ",
                "remove what is not needed",
            ),
            "ALLOW_HTTP_TARGETS": (self.allow_http_targets, "SETs may go over plain http: ", "unset it in production"),
            "TRUSTED_PROXIES": (anybody, "anybody may say who called: ", "name the proxies' own networks"),
            "FAILPOINT": (self.failpoint, "the process ends itself at a place in the code: ", "unset it"),
            "RATE_LIMIT": (not self.rate_limit, "no token is limited: ", "set a limit"),
            "PUBLIC_URL": (
                self.public_url.startswith("http:") and self.public_url,
                "receivers are told a plain http address, the console's cookies go without Secure: ",
                "put TLS in front, or set RISKRELAY_TLS_CERT; new integrations then get the https address",
            ),
        }
        return [
            Check("settings", Verdict.WARNING, f"RISKRELAY_{name}: {said}{_shown(value)}.", mend)
            for name, (value, said, mend) in found.items()
            if value
        ]

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
        if path is None:
            return init_settings, env_settings
        if not Path(path).is_file():
            raise Misconfigured(f"RISKRELAY_CONFIG names {path}, which is not a file; mend the path or unset it")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(path))


def read_settings(**overrides: object) -> Settings:
    """Read the settings.

    Raises: Misconfigured: a setting is wrong; the message names each and what to write.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [_sentence(fault["loc"], fault["msg"]) for fault in error.errors()]
        raise Misconfigured("; ".join(faults)) from error


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value).lower()


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    """What is wrong with a setting; without a place it names the settings itself."""
    name = "_".join(str(part) for part in place).upper()
    return f"RISKRELAY_{name}: {message}" if name else message.removeprefix("Value error, ")
