"""Which hosts recordings may come from."""

from collections.abc import Iterable


def is_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Whether the host is one of the allowed ones or below one: whole labels, so that
    `storage.vapi.ai` is below `vapi.ai`, and `notvapi.ai` is not.
    """
    name = _plain(host)
    return any(name == one or name.endswith(f".{one}") for one in map(_plain, allowed) if one)


def _plain(host: str) -> str:
    return host.strip().lower().removeprefix("*").strip(".")
