"""Rate limits of requests: which policy counts, and what the caller is told."""

from typing import TYPE_CHECKING, cast

from quart import Response, current_app, g, request

from clozone.infra.rate_limit import Decision, RateLimiter
from clozone.kit.errors import TooManyRequests
from clozone.web.client_address import client_address, limit_group
from clozone.web.guard import API_KEY_HEADER
from clozone.web.identity import Actor

if TYPE_CHECKING:
    from clozone.web.operation import Limit


def limiter() -> RateLimiter:
    """The limiter of this process."""
    return cast(RateLimiter, current_app.extensions["rate_limiter"])


def caller_address() -> str:
    """The client's address, from X-Forwarded-For only as far as our own proxies wrote it."""
    peer = (request.scope.get("client") or ("",))[0]
    forwarded_for = request.headers.getlist("X-Forwarded-For")
    trusted = cast(int, current_app.config["TRUSTED_PROXIES"])
    return client_address(str(peer), forwarded_for, trusted)


async def limit_caller(limit: "Limit", actor: Actor | None) -> None:
    """Count this request. Raises TooManyRequests once the policy's quota is used up."""
    if limit is not None:
        key = actor.client_key if actor else _address_key()
        enforce(await limiter().hit(policy_of(limit, actor), key))


def policy_of(limit: "Limit", actor: Actor | None) -> str:
    """The policy under which a request to a route with this `limit` counts; None: by its address."""
    if actor is None or limit == "api":
        return "strict" if limit == "strict" else "api"
    if limit == "strict":
        return "strict_user"
    return "user" if actor.api_key_id is None else "key"


async def limit_refused(limit: "Limit") -> None:
    """Count a request whose credentials are missing or no good, by its address.

    It is counted apart from what needs no credentials: a forgotten browser tab that asks on and on
    with an old token must not keep everybody behind its address from signing in. Whoever asks for
    grading and shows no credentials at all counts as `strict`. Raises TooManyRequests once the
    quota is used up.
    """
    if limit is not None:
        shown = request.headers.get("Authorization") or request.headers.get(API_KEY_HEADER)
        policy = "strict" if limit == "strict" and not shown else "credentials"
        enforce(await limiter().hit(policy, _address_key()))


def _address_key() -> str:
    return f"address:{limit_group(caller_address())}"


def enforce(decision: Decision) -> None:
    """Put the decision on the answer's headers. Raises TooManyRequests if it is a refusal."""
    g.rate_limit = decision
    if not decision.allowed:
        seconds = decision.retry_after_seconds
        raise TooManyRequests(
            f"The limit {decision.policy.name} of {decision.policy.quota} requests in "
            f"{decision.policy.window_seconds} seconds is used up. Try again in {seconds} seconds.",
            headers={"Retry-After": str(seconds)},
            policy=decision.policy.name,
        )


def add_headers(response: Response) -> Response:
    """RateLimit and RateLimit-Policy, if this request was counted."""
    decision: Decision | None = g.get("rate_limit")
    if decision is not None:
        response.headers.extend(decision.headers())
    return response
