"""The only reader of the environment. Every variable is documented here, once.

`.env.example` is written from this file by `clozone env-example`; a test keeps them equal.
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from clozone.kit.postgres_address import asyncpg_arguments
from clozone.kit.rates import read_rate


def _rate(text: str) -> str:
    read_rate(text)
    return text


RateText = Annotated[str, AfterValidator(_rate)]


class Settings(BaseSettings):
    """What a process is told from outside. Names are the variables' names in lower case."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore", frozen=True)

    # Where it runs
    clozone_home: Path = Field(
        Path(".clozone"), description="Data folder of the local bundle; spool and run files."
    )
    clozone_instance: str = Field("local", description="Name of this process in logs and health.")
    public_url: str = Field(
        "http://localhost:8080", description="The address browsers use to reach nginx."
    )
    cors_origins: Annotated[list[str], NoDecode] = Field(
        [], description="Comma-separated origins allowed to call the API from a browser."
    )
    trusted_proxies: int = Field(
        1,
        ge=0,
        description="How many proxies set X-Forwarded-For; 1 behind our nginx, whatever is before it.",
    )

    # PostgreSQL
    database_url: SecretStr = Field(
        SecretStr("postgresql://clozone_app@127.0.0.1:5432/clozone"),
        description="The application's login; it owns nothing and sees nothing without a scope.",
    )
    database_migrate_url: SecretStr | None = Field(
        None, description="The owner's login, for `clozone migrate` only. Default: DATABASE_URL."
    )
    database_pool_size: int = Field(
        8, ge=1, le=200, description="Connections, and threads that use them, per process."
    )
    database_statement_timeout_ms: int = Field(15_000, description="Longest statement, ms.")
    offload_wait_seconds: float = Field(
        2.0, description="Longest wait for a free thread before the answer is 503."
    )
    database_read_connections: int = Field(
        4, ge=1, le=100, description="Connections per process for analytics, to each server."
    )
    database_replica_url: SecretStr | None = Field(
        None,
        description="A streaming standby that analytics and lists are read from; set it on every "
        "process, workers too.",
    )
    database_replica_max_lag_seconds: float = Field(
        5.0,
        gt=0,
        le=50,
        description="A replica further behind than this is not read from, seconds.",
    )
    database_pooler: Literal["none", "transaction"] = Field(
        "none",
        description="`transaction` when DATABASE_URL is PgBouncer's in that mode: docs/replica.md.",
    )
    database_direct_url: SecretStr | None = Field(
        None, description="PostgreSQL past the pooler, for locks. Default: DATABASE_URL."
    )

    # Redis
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0", description="Queue delivery, rate limits, heartbeats."
    )
    redis_cache_url: str | None = Field(
        None, description="Cache; may be a store that evicts. Default: REDIS_URL."
    )

    # Object storage
    s3_endpoint: str = Field("http://127.0.0.1:9000", description="S3 address for the platform.")
    s3_access_key: str = Field("clozone", description="S3 access key.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="S3 secret key.")
    s3_bucket: str = Field("clozone", description="Bucket for scorecards and recordings.")
    s3_region: str = Field("us-east-1", description="S3 region.")
    s3_public_url: str | None = Field(
        None, description="S3 address for browsers in presigned links. Default: PUBLIC_URL."
    )
    presigned_url_seconds: int = Field(900, description="Lifetime of a download link, seconds.")

    # Model
    openai_api_key: SecretStr | None = Field(
        None,
        description="Key of the model API. Without one the local bundle's offline model answers.",
    )
    openai_base_url: str | None = Field(None, description="Any OpenAI-compatible address.")
    llm_model: str = Field("gpt-6-luna", description="Model that reads the calls.")
    llm_timeout_seconds: float = Field(60.0, description="Longest wait for one model answer.")
    llm_max_output_tokens: int = Field(4_000, description="Hard limit on an answer's tokens.")
    llm_max_input_tokens: int = Field(24_000, description="Hard limit on a transcript's tokens.")

    # Accounts
    jwt_secret: SecretStr = Field(
        SecretStr(""), description="Key of our own access tokens, at least 32 characters."
    )
    access_token_seconds: int = Field(900, description="Lifetime of an access token, seconds.")
    refresh_token_seconds: int = Field(
        30 * 86_400, description="Lifetime of an unused refresh token, seconds."
    )
    auth_jwt_issuer: str | None = Field(
        None, description="Also accept access tokens of this issuer (an existing login)."
    )
    auth_jwt_audience: str | None = Field(None, description="Audience those tokens must carry.")
    auth_jwt_jwks_url: str | None = Field(
        None, description="Key set of that issuer. Default: issuer + /.well-known/jwks.json."
    )
    supabase_jwt_secret: SecretStr | None = Field(
        None, description="Accept Supabase access tokens signed with this secret (HS256)."
    )

    # Vapi
    vapi_webhook_auth: Literal["bearer", "secret", "hmac"] = Field(
        "secret", description="How Vapi proves itself: see docs/vapi.md."
    )
    vapi_webhook_secret: SecretStr = Field(SecretStr(""), description="The shared secret.")
    vapi_webhook_secret_previous: SecretStr | None = Field(
        None, description="The former secret, accepted too while rotating."
    )
    vapi_webhook_header: str | None = Field(
        None,
        description="Header of the credential. Default: Authorization, X-Vapi-Secret or x-signature.",
    )
    vapi_webhook_hmac_algorithm: Literal["sha256", "sha512", "sha1"] = Field(
        "sha256", description="Digest of the signature."
    )
    vapi_webhook_hmac_payload: str = Field(
        "{timestamp}.{body}", description="What is signed; `{body}` alone needs no timestamp."
    )
    vapi_webhook_timestamp_header: str = Field("x-timestamp", description="Header of the time.")
    vapi_webhook_tolerance_seconds: int = Field(300, description="Oldest accepted signature.")
    vapi_public_key: str | None = Field(
        None, description="Vapi's public key; handed to the browser to start a call."
    )
    vapi_assistant_id: str | None = Field(
        None, description="Assistant used when a template names none."
    )

    vapi_api_key: SecretStr | None = Field(
        None,
        description="Vapi's private API key: with it, missing calls and recordings are fetched.",
    )
    vapi_base_url: str = Field("https://api.vapi.ai", description="Address of Vapi's API.")

    # Recordings and the reconciler
    recordings: Literal["store", "off"] = Field(
        "store", description="Whether recordings are copied into object storage."
    )
    recording_hosts: Annotated[list[str], NoDecode] = Field(
        ["vapi.ai", "r2.cloudflarestorage.com"],
        description="Comma-separated hosts, with all below them, that recordings come from.",
    )
    recording_max_bytes: int = Field(
        268_435_456, ge=1, description="Largest recording that is stored, bytes."
    )
    recording_allowed_networks: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        [],
        description="Comma-separated private networks (CIDR) that RECORDING_HOSTS may be in. "
        "Default: public addresses only.",
    )
    recording_allow_http: bool = Field(
        False, description="Let recordings be fetched over plain HTTP too."
    )
    reconcile_every_seconds: float = Field(
        900.0, gt=0, description="How often what was missed is looked for, seconds."
    )
    reconcile_lookback_hours: float = Field(
        48.0, gt=0, description="How far back it is looked for, and how long a call may be unknown."
    )

    # Notifications
    notification_allowed_networks: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        [],
        description="Comma-separated private networks (CIDR) that every organisation may have "
        "notifications sent to. Default: public addresses only.",
    )
    notification_allow_http: bool = Field(
        False, description="Let notifications go over plain HTTP too."
    )

    # Limits
    web_max_requests: int = Field(
        64, ge=1, description="API requests that one web process works on at once; more get 503."
    )
    web_max_webhooks: int = Field(
        64, ge=1, description="The same for webhooks, which no other request can crowd out."
    )
    web_max_streams: int = Field(
        1_000, ge=1, description="The same for event streams, which are mostly silent."
    )
    max_body_bytes: int = Field(
        1_048_576, ge=1, le=1_073_741_824, description="Largest body of our own API."
    )
    max_webhook_bytes: int = Field(
        10_485_760, ge=1, le=1_073_741_824, description="Largest webhook body."
    )
    spool_dir: Path | None = Field(
        None,
        description="Where webhooks wait while PostgreSQL is away. Default: CLOZONE_HOME + /spool.",
    )
    spool_max_bytes: int = Field(
        1_073_741_824, ge=0, description="Largest size of that folder; past it the answer is 503."
    )
    rate_limit_api: RateText = Field(
        "100 per 15 minutes", description="Per address, for what needs no credentials."
    )
    rate_limit_credentials: RateText | None = Field(
        None,
        description="Per address, for missing or refused credentials. Default: RATE_LIMIT_API.",
    )
    rate_limit_user: RateText = Field("1000 per 15 minutes", description="Per signed-in person.")
    rate_limit_key: RateText = Field("5000 per 15 minutes", description="Per API key.")
    rate_limit_strict: RateText = Field(
        "10 per 15 minutes",
        description="Per address, for asking for grading without credentials.",
    )
    rate_limit_strict_user: RateText = Field(
        "60 per 15 minutes", description="Per person or API key, for grading on demand."
    )
    rate_limit_login: RateText = Field(
        "10 per 15 minutes",
        description="Failed logins per account, and five times that per address.",
    )

    # Analytics
    analytics_cache_seconds: int = Field(
        120, ge=0, description="How long an analytics answer is fresh, seconds; 0: no cache."
    )
    analytics_cache_stale_seconds: int = Field(
        600,
        ge=0,
        description="Oldest unchanged answer that is served while it is computed anew, seconds.",
    )

    # Jobs
    worker_threads_interactive: int = Field(4, description="Threads for work a person waits for.")
    worker_threads_llm: int = Field(4, description="Threads for work that waits for the model.")
    worker_threads_outgoing: int = Field(
        2, description="Threads for work that waits for others' servers: notifications."
    )
    worker_threads_bulk: int = Field(
        2, description="Threads for work nobody waits for: recordings, upkeep."
    )
    job_lease_seconds: float = Field(
        5.0, ge=1, description="A worker silent for this long has lost its job to the next one."
    )
    job_retry_base_seconds: float = Field(2.0, description="First wait of the backoff, seconds.")
    job_keep_days: float = Field(
        30.0, gt=0, description="Jobs that succeeded or were cancelled leave the ledger after this."
    )
    job_keep_dead_days: float = Field(
        90.0, gt=0, description="Dead jobs leave the ledger after this."
    )
    job_archive: bool = Field(
        True, description="Write jobs to object storage (archive/jobs/) before they leave."
    )
    shutdown_grace_seconds: float = Field(
        20.0, description="What runs may finish within this time after SIGTERM or SIGINT."
    )

    # Logs
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: Literal["json", "pretty"] = Field("json", description="`pretty` is for people.")
    log_dir: Path | None = Field(
        None, description="Also write combined.log and error.log, rotated, into this folder."
    )

    @field_validator(
        "cors_origins",
        "notification_allowed_networks",
        "recording_allowed_networks",
        "recording_hosts",
        mode="before",
    )
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("database_url", "database_replica_url", "database_direct_url")
    @classmethod
    def _for_both_drivers(cls, address: SecretStr | None) -> SecretStr | None:
        if address:
            asyncpg_arguments(address.get_secret_value())
        return address

    @model_validator(mode="after")
    def _lock_past_the_pooler(self) -> Self:
        if self.database_pooler == "transaction" and not self.database_direct_url:
            raise ValueError(
                "DATABASE_POOLER=transaction needs DATABASE_DIRECT_URL, the address of PostgreSQL "
                "itself: a lock that outlives a transaction cannot be had through the pooler"
            )
        return self

    @property
    def cache_url(self) -> str:
        """Redis address of the cache."""
        return self.redis_cache_url or self.redis_url

    @property
    def spool_folder(self) -> Path:
        """Where webhooks wait while PostgreSQL is away."""
        return self.spool_dir or self.clozone_home / "spool"

    @property
    def presign_base_url(self) -> str:
        """The address that presigned links are made for."""
        return self.s3_public_url or self.public_url


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the environment once; a process keeps what it was started with."""
    return Settings()
