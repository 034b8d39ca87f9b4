"""The environment of our own processes: what the bundle decides, and what the person decides."""

from collections.abc import Mapping

from pydantic import ValidationError

from clozone.local.errors import BundleError
from clozone.local.plan import Plan
from clozone.local.postgres import APPLICATION, OWNER, postgres_url
from clozone.local.postgres_place import REPLICA
from clozone.local.valkey import CACHE_DATABASE, QUEUE_DATABASE, valkey_url
from clozone.settings import Settings

OFFLINE_KEY = "offline"
OFFLINE_MODEL = "clozone-offline-1"


def setting(env: Mapping[str, str], name: str) -> str:
    """A setting as our processes will see it: from `env`, or the default of `Settings`."""
    return env.get(name) or str(Settings.model_fields[name.lower()].default)


def uses_offline_model(env: Mapping[str, str]) -> bool:
    """Whether nothing names another model API."""
    return not (env.get("OPENAI_API_KEY") or env.get("OPENAI_BASE_URL"))


def platform_environment(plan: Plan) -> dict[str, str]:
    """Every variable that the bundle sets for our processes.

    The addresses of the bundle's own servers are the bundle's; every other setting that is in the
    person's environment wins.
    """
    defaults = {
        "PUBLIC_URL": f"http://localhost:{plan.public_port}",
        "S3_BUCKET": setting(plan.env, "S3_BUCKET"),
        "S3_REGION": setting(plan.env, "S3_REGION"),
        "JWT_SECRET": plan.keys.jwt_secret,
        "VAPI_WEBHOOK_SECRET": plan.keys.vapi_webhook_secret,
    }
    servers = {
        "CLOZONE_HOME": str(plan.home.root),
        "CLOZONE_PORT": str(plan.public_port),
        "DATABASE_URL": postgres_url(plan, APPLICATION),
        "DATABASE_MIGRATE_URL": postgres_url(plan, OWNER),
        "REDIS_URL": valkey_url(plan, QUEUE_DATABASE),
        "REDIS_CACHE_URL": valkey_url(plan, CACHE_DATABASE),
        "S3_ENDPOINT": f"http://{plan.address('s3')}",
        "S3_ACCESS_KEY": plan.keys.s3_access_key,
        "S3_SECRET_KEY": plan.keys.s3_secret_key,
        # A proxy for the outside must not be asked for what is on this machine.
        **_no_proxy(plan.env),
    }
    if REPLICA in plan.ports:
        servers["DATABASE_REPLICA_URL"] = postgres_url(plan, APPLICATION, server=REPLICA)
    if uses_offline_model(plan.env):
        servers |= {
            "OPENAI_BASE_URL": f"http://{plan.address('offline-model')}/v1",
            "OPENAI_API_KEY": OFFLINE_KEY,
            "LLM_MODEL": OFFLINE_MODEL,
        }
    chosen = {name: plan.env[name] for name in defaults if plan.env.get(name)}
    return defaults | chosen | servers


def platform_settings(plan: Plan) -> Settings:
    """The settings our processes will read. Raises BundleError that names each wrong variable."""
    env = {**plan.env, **platform_environment(plan)}
    known = {name: env[name.upper()] for name in Settings.model_fields if env.get(name.upper())}
    try:
        return Settings.model_validate(known)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()
        )
        raise BundleError(f"The environment is not right: {wrong}.") from error


def _no_proxy(env: Mapping[str, str]) -> dict[str, str]:
    given = env.get("NO_PROXY") or env.get("no_proxy") or ""
    hosts = [host for host in given.split(",") if host.strip()]
    value = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))
    return {"NO_PROXY": value, "no_proxy": value}
