"""Settings: one class, from the environment (TITAN_*), with a documented default each.

`docs/settings.md` is generated from here.
"""

import ipaddress
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from runtime.carrier_settings import CarrierSettings

PREFIX: Final = "TITAN_"

PASSWORD_COST_MIN: Final = 12
"""bcrypt's cost below which a stolen table of hashes is too cheap to try."""

CONTAINER_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that Docker and Podman put into every container."""


class Profile(StrEnum):
    """What kind of place this is."""

    DEMO = "demo"
    """One machine, loopback only, no credentials: says so aloud."""
    PRODUCTION = "production"
    """Refuses to start without an authenticator and outside the pinned settings."""
    TEST = "test"
    """The demo, and its processes may be told to die: for the crash matrix only."""


class KeyProviderName(StrEnum):
    """Who holds the keys that wrap people's data keys."""

    FILE = "file"
    """Files on this machine: for the demo."""
    ENVIRONMENT = "environment"
    """The variable TITAN_KEKS."""
    AWS_KMS = "aws-kms"
    """AWS Key Management Service; its credentials come as AWS has them."""


class Settings(CarrierSettings):
    """Everything that may differ between two places where Titan runs."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    profile: Profile = Field(Profile.DEMO, description="demo, production or test")
    data_directory: Path = Field(
        Path(".titan"), description="where embedded servers keep their data and logs"
    )

    kafka_bootstrap: str | None = Field(
        None, description="host:port of an external Kafka; unset: an embedded one"
    )
    postgres_dsn: SecretStr | None = Field(
        None, description="DSN of an external PostgreSQL 18; unset: an embedded one"
    )
    kafka_port: int = Field(0, ge=0, le=65535, description="port of the embedded Kafka; 0: any")
    postgres_port: int = Field(
        0, ge=0, le=65535, description="port of the embedded PostgreSQL; 0: any"
    )
    redis_port: int = Field(0, ge=0, le=65535, description="port of the embedded Valkey; 0: any")
    redis_url: SecretStr | None = Field(
        None, description="URL of an external Redis or Valkey; unset: an embedded one"
    )
    topic_prefix: str = Field(
        "", description="put before each topic and group name, to share a broker"
    )

    bind_host: str = Field("127.0.0.1", description="address the edges listen on")
    trusted_proxies: str = Field(
        "",
        description="addresses or networks, by commas, of proxies before the edges: where they say "
        "(X-Forwarded-For, -Proto) a request comes from is believed; empty: nobody is",
    )
    demo_in_container: bool = Field(
        False,
        description="the demo may bind to all addresses of its container; whoever runs it "
        "publishes the ports to loopback only, as docker-compose.yml does",
    )
    handles_port: int = Field(8001, ge=0, le=65535, description="port of Handle Resolution")
    payments_port: int = Field(8002, ge=0, le=65535, description="port of the Payment Router")
    auth_port: int = Field(8003, ge=0, le=65535, description="port of Auth")
    users_port: int = Field(8004, ge=0, le=65535, description="port of Users")
    webhooks_port: int = Field(8007, ge=0, le=65535, description="port of Webhooks")
    webhook_delivery_processes: int = Field(
        1, ge=0, le=64, description="processes of `titan up` that deliver webhooks; 0: none"
    )
    feed_port: int = Field(8010, ge=0, le=65535, description="port of the Feed")
    inbound_port: int = Field(8011, ge=0, le=65535, description="port of webhooks in")
    handles_url: str | None = Field(
        None, description="where commands find Handle Resolution; unset: bind_host and its port"
    )
    payments_url: str | None = Field(
        None, description="where commands find the Payment Router; unset: bind_host and its port"
    )
    token_issuer: str = Field(
        "urn:titan:auth",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="who signs access tokens: their `iss`, compared letter by letter",
    )
    jwks_url: str | None = Field(
        None,
        description="where edges read the public keys of access tokens (the auth edge's "
        "/.well-known/jwks.json); unset: in the demo at bind_host and auth_port",
    )
    password_cost: int = Field(
        12, ge=4, le=15, description="bcrypt's cost; each step doubles the time; production: >= 12"
    )
    password_threads: int = Field(
        1,
        ge=1,
        le=64,
        description="passwords of each kind of callers that one process of Auth hashes at once",
    )
    password_share_percent: int = Field(
        25,
        ge=1,
        le=100,
        description="of a processor for each of these threads, that passwords of strangers may "
        "take in the long run: 100 where Auth has machines of its own",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="port of a stage process's /metrics and /health; 0: none"
    )

    require_idempotency_key: bool | None = Field(
        None, description="refuse a payment without Idempotency-Key; unset: only in production"
    )
    admission_lag_records_max: int = Field(
        200_000, ge=1, description="payments in the pipeline past which new ones get 429"
    )
    instance_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="stable, unique name of this process: Kafka static membership; unset: none",
    )
    limits_file: Path = Field(
        Path(__file__).resolve().parent.parent / "limits.yaml",
        description="risk limits per tier",
    )
    inbound_file: Path = Field(
        Path(__file__).resolve().parent.parent / "inbound.yaml",
        description="whose webhooks are taken, and how each provider proves itself",
    )
    inbound_secrets: Path | None = Field(
        None,
        description="directory with a file for each provider's secrets, one a line; a provider "
        "without its file is not served",
    )
    vault_key: SecretStr | None = Field(
        None,
        description="base64 of 32 bytes, seals texts of no person; older keys follow after commas; "
        "the demo makes one under .titan/",
    )
    index_key: SecretStr | None = Field(
        None,
        description="base64 of 32 bytes, the root of all blind indexes; never changes; unset: "
        "derived from the oldest key of TITAN_VAULT_KEY",
    )
    key_provider: KeyProviderName = Field(
        KeyProviderName.FILE,
        description="who wraps people's data keys: file (demo), environment or aws-kms",
    )
    key_directory: Path | None = Field(
        None, description="of the provider file; unset: keys/ in the data directory"
    )
    keks: SecretStr | None = Field(
        None, description="of the provider environment: NAME:BASE64 of 32 bytes,... the newest last"
    )
    kms_endpoint_url: str | None = Field(
        None, description="of the provider aws-kms, where it is not AWS's own"
    )
    kms_region: str = Field("us-east-1", description="of the provider aws-kms")

    documents_bucket: str | None = Field(
        None,
        description="S3 bucket for people's documents; its credentials come as AWS has them; "
        "unset: documents/ in the data directory",
    )
    documents_endpoint_url: str | None = Field(
        None, description="of the bucket, where it is not AWS's own"
    )

    crash_directory: Path | None = Field(
        None,
        description="where a test orders processes to die; refused outside the test profile",
    )

    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="log level")
    otlp_endpoint: str | None = Field(
        None, description="OpenTelemetry collector (OTLP over HTTP); unset: no traces"
    )

    producer_acks: str = Field("all", description="pinned to all")
    producer_idempotence: bool = Field(True, description="pinned to true")
    producer_request_timeout_ms: int = Field(5_000, description="pinned to 5000")
    consumer_session_timeout_ms: int = Field(20_000, description="pinned to 20000")
    consumer_heartbeat_interval_ms: int = Field(3_000, description="pinned to 3000")
    consumer_rebalance_timeout_ms: int = Field(30_000, description="pinned to 30000")
    consumer_auto_offset_reset: str = Field("earliest", description="pinned to earliest")

    @property
    def is_demo(self) -> bool:
        """Whether this is one machine of one person, without credentials."""
        return self.profile is not Profile.PRODUCTION

    @property
    def token_keys_url(self) -> str | None:
        """Where the keys of access tokens are published; None if nobody said."""
        if self.jwks_url is not None or not self.is_demo:
            return self.jwks_url
        return f"http://{self.bind_host}:{self.auth_port}/.well-known/jwks.json"

    @property
    def idempotency_key_required(self) -> bool:
        """Whether a payment without a key is refused."""
        if self.require_idempotency_key is None:
            return self.profile is Profile.PRODUCTION
        return self.require_idempotency_key

    @model_validator(mode="after")
    def _only_tests_die_on_order(self) -> Self:
        if self.crash_directory is not None and self.profile is not Profile.TEST:
            raise ValueError(
                "TITAN_CRASH_DIRECTORY lets a test kill this process: unset it, or set "
                "TITAN_PROFILE=test where no money is real"
            )
        return self

    @model_validator(mode="after")
    def _proxies_have_addresses(self) -> Self:
        for name in filter(None, self.trusted_proxies.split(",")):
            try:
                ipaddress.ip_network(name.strip())
            except ValueError:
                raise ValueError(
                    "TITAN_TRUSTED_PROXIES names addresses or networks, such as 10.0.0.0/24, by "
                    "commas: whoever may say where a request comes from must be known"
                ) from None
        return self

    @model_validator(mode="after")
    def _passwords_are_dear(self) -> Self:
        if not self.is_demo and self.password_cost < PASSWORD_COST_MIN:
            raise ValueError(f"TITAN_PASSWORD_COST is at least {PASSWORD_COST_MIN} in production")
        return self

    @model_validator(mode="after")
    def _demo_stays_home(self) -> Self:
        if not self.is_demo or is_loopback(self.bind_host):
            return self
        if not self.demo_in_container:
            raise ValueError(
                "the demo profile has no credentials and binds to loopback only; "
                "set TITAN_PROFILE=production and an authenticator to listen elsewhere"
            )
        if not any(mark.exists() for mark in CONTAINER_MARKS):
            raise ValueError(
                "TITAN_DEMO_IN_CONTAINER is set, but this is no container: unset it and keep "
                "TITAN_BIND_HOST on loopback"
            )
        return self


def setting_faults(error: ValidationError) -> list[str]:
    """What is wrong with the settings, by the variable that sets each; no value is shown."""
    return [
        f"{PREFIX}{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
        if fault["loc"]
        else str(fault["msg"]).removeprefix("Value error, ")
        for fault in error.errors(include_input=False, include_url=False)
    ]


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own, out of reach of others."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
