"""Who asks: the managers of fifty organisations, each with an access token of the platform's own."""

from hashlib import md5
from uuid import UUID

from clozone.accounts.tokens import AccessTokens
from clozone.settings import Settings
from clozone.web.identity import Role

TOKEN_SECONDS = 86_400


def named(text: str) -> UUID:
    """The id that the data gives to this name."""
    return UUID(md5(text.encode(), usedforsecurity=False).hexdigest())


ORGANISATIONS = tuple(named(f"org{number}") for number in range(50))
BIG_ORGANISATION = named("orgbig")
BIG_PROFILES = 20_000


class People:
    """The tokens, made with the key of the platform that is measured."""

    def __init__(self, jwt_secret: str) -> None:
        self._tokens = AccessTokens(Settings.model_validate({"jwt_secret": jwt_secret}))
        users = [user for user in range(2_000) if user // 50 % 2 == 0]
        self.managers = [self._token(f"user{user}", ORGANISATIONS[user % 50]) for user in users]
        self.of_big_organisation = self._token("big0", BIG_ORGANISATION)

    def manager_of(self, organisation: int) -> str:
        """The token of a manager of this one of the fifty organisations."""
        return self.managers[organisation]

    def _token(self, name: str, organisation: UUID) -> str:
        return self._tokens.issue(
            named(name), organisation, Role.manager, lifetime_seconds=TOKEN_SECONDS
        )
