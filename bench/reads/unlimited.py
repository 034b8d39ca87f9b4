"""A web process as `clozone web` starts it, with the step of the rate limiter left out: PORT."""

import sys

from clozone.app import serve
from clozone.infra.rate_limit import Decision, RateLimiter
from clozone.settings import load_settings


async def let_through(limiter: RateLimiter, policy: str, _key: str) -> Decision:
    """What the limiter would answer to somebody's first request."""
    allowed = limiter.policies[policy]
    return Decision(allowed, True, allowed.quota, 0.0)


if __name__ == "__main__":
    RateLimiter.hit = let_through  # type: ignore[method-assign,assignment]
    serve(load_settings(), f"127.0.0.1:{sys.argv[1]}", None)
