"""The policies by name, and what a limiter says about one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from clozone.kit.rates import read_rate
from clozone.settings import Settings

LOGINS_PER_ADDRESS = 5  # times the quota per account: an office shares one address


@dataclass(frozen=True, slots=True)
class Policy:
    """So many hits in such a window, in seconds."""

    name: str
    quota: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a limiter answers. `reset_seconds`: until the next place comes free."""

    policy: Policy
    allowed: bool
    remaining: int
    reset_seconds: float

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds after which a try can succeed, at least 1."""
        return max(1, ceil(self.reset_seconds))

    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers."""
        policy = self.policy
        return {
            "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={policy.window_seconds}',
            "RateLimit": f'"{policy.name}";r={self.remaining};t={max(0, ceil(self.reset_seconds))}',
        }


def policies(settings: Settings) -> Mapping[str, Policy]:
    """The policies: api, credentials, user, key, strict, strict_user, login, login_address."""
    rates = {
        "api": settings.rate_limit_api,
        "credentials": settings.rate_limit_credentials or settings.rate_limit_api,
        "user": settings.rate_limit_user,
        "key": settings.rate_limit_key,
        "strict": settings.rate_limit_strict,
        "strict_user": settings.rate_limit_strict_user,
        "login": settings.rate_limit_login,
        "login_address": settings.rate_limit_login,
    }
    named = {}
    for name, text in rates.items():
        rate = read_rate(text)
        quota = rate.quota * (LOGINS_PER_ADDRESS if name == "login_address" else 1)
        named[name] = Policy(name, quota, rate.window_seconds)
    return named
