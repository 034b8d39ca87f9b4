"""Failed sign-ins, counted per account and per address.

A guess is answered only while both quotas last. Counting a failure is one atomic step, and a right
password is not acknowledged either once the account's quota is used up, so that guesses sent all at
once learn no more than guesses sent one by one.
"""

import hashlib

from clozone.web.client_address import limit_group
from clozone.web.rate_limit import caller_address, enforce, limiter


class LoginThrottle:
    """The counters of one attempt to sign in."""

    def __init__(self, account: str) -> None:
        """`account` is the e-mail address or id that is tried; only its hash reaches Redis."""
        self._account = hashlib.sha256(account.strip().lower().encode()).hexdigest()
        self._address = f"address:{limit_group(caller_address())}"

    async def check(self) -> None:
        """Raise TooManyRequests if the account or the address has used up its quota."""
        for policy, key in self._counters():
            decision = await limiter().peek(policy, key)
            if not decision.allowed:
                enforce(decision)

    async def note_failure(self) -> None:
        """Count a wrong guess. Raises TooManyRequests if there was no place left for it."""
        decisions = [await limiter().hit(policy, key) for policy, key in self._counters()]
        for decision in decisions:
            if not decision.allowed:
                enforce(decision)

    async def note_success(self) -> None:
        """Forget the account's failures; the address keeps its own."""
        await self.check()
        await limiter().reset("login", self._account)

    def _counters(self) -> tuple[tuple[str, str], ...]:
        return ("login", self._account), ("login_address", self._address)
