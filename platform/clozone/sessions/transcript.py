"""The cleaned transcript of a call."""

from dataclasses import dataclass
from typing import Literal

Speaker = Literal["rep", "customer"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One uninterrupted stretch of speech.

    `index` counts from 0. `start` and `end` are seconds from the start of the call, or None when
    the source told no times. In Vapi the human ("user") is the rep; the voice agent plays the
    customer.
    """

    index: int
    speaker: Speaker
    text: str
    start: float | None = None
    end: float | None = None
