"""A web process as `clozone web` starts it, with the step of the rate limiter left out: PORT."""

import sys
from collections.abc import Coroutine
from typing import Any

from clozone.app import serve
from clozone.infra.rate_limit import Decision, RateLimiter
from clozone.settings import load_settings


def begin_nothing(limiter: RateLimiter, policy: str, _key: str) -> Coroutine[Any, Any, Decision]:
    """In place of `RateLimiter.begin_hit`, on which all counting rests."""

    async def let_through() -> Decision:
        allowed = limiter.policies[policy]
        return Decision(allowed, True, allowed.quota, 0.0)

    return let_through()


if __name__ == "__main__":
    RateLimiter.begin_hit = begin_nothing  # type: ignore[method-assign,assignment]
    serve(load_settings(), f"127.0.0.1:{sys.argv[1]}", None)
