"""What an offline model server is told when it starts."""

from dataclasses import dataclass

MODEL = "clozone-offline-1"


@dataclass(frozen=True, slots=True)
class OfflineModelSettings:
    """Limits and credentials.

    `api_key`: the only bearer key accepted; None accepts any, but one must be sent, as with the
    real thing. `aliases`: further model names that are answered, so that a change of models can be
    tried; the answers still name themselves `clozone-offline-1`.
    """

    api_key: str | None = None
    aliases: tuple[str, ...] = ()
    max_body_bytes: int = 200 * 1024 * 1024

    @property
    def models(self) -> tuple[str, ...]:
        """Every name that is answered, our own first."""
        return (MODEL, *self.aliases)
