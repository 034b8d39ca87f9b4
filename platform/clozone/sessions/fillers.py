"""Filler words per language, and the guess which of these languages a transcript is in."""

import re
from dataclasses import dataclass
from functools import lru_cache

# Below this share of function words the text is in none of the languages below.
_LEAST_STOP_WORD_SHARE = 0.12
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Fillers:
    """`hesitations` count wherever they occur. `markers` are ordinary words as well ("you know the
    price"), so they count only when set off by punctuation on both sides ("it is, you know, new").
    """

    hesitations: tuple[str, ...]
    markers: tuple[str, ...]


FILLERS: dict[str, Fillers] = {
    "en": Fillers(
        ("u+h+", "u+m+", "e+r+m+", "e+r", "u+hm+", "h+m+", "mm+"),
        (
            *("you know", "i mean", "sort of", "kind of", "like", "so", "well", "right", "okay so"),
            *("actually", "basically", "literally", "honestly", "you see", "or something"),
        ),
    ),
    "es": Fillers(
        ("e+h+", "e+m+", "m+m+"),
        ("pues", "este", "bueno", "o sea", "es que", "sabes", "digamos", "a ver", "vale", "entonces"),
    ),
    "de": Fillers(
        ("ä+h+", "ä+h*m+", "ö+h+", "h+m+", "m+m+"),
        ("also", "halt", "sozusagen", "quasi", "irgendwie", "weißt du", "wissen sie", "ja", "naja", "genau"),
    ),
    "fr": Fillers(
        ("eu+h+", "h+e+u+", "h+u+m+", "m+m+", "b(?:e|a)h"),
        ("en fait", "du coup", "tu vois", "vous voyez", "genre", "quoi", "voilà", "disons", "bon", "alors"),
    ),
    "it": Fillers(
        ("e+h+m+", "e+h+", "m+h+", "m+m+"),
        ("cioè", "allora", "insomma", "diciamo", "praticamente", "tipo", "ecco", "sai", "niente"),
    ),
    "pt": Fillers(
        ("h+u+m+", "e+h+", "ã+h*", "m+m+"),
        ("né", "tipo", "então", "sabe", "quer dizer", "assim", "bom", "digamos", "pois"),
    ),
    "nl": Fillers(
        ("e+h+m?", "u+h+m?", "h+m+", "m+m+"),
        ("zeg maar", "weet je", "eigenlijk", "gewoon", "nou", "dus", "ofzo", "kijk"),
    ),
}  # fmt: skip

_FUNCTION_WORDS = {
    "en": "the and is are you your we to of that it for with have do what i can our this",
    "es": "el la los las que de y en es un una por para con su lo le nos qué cómo está muy",
    "de": "der die das und ist sie wir ich nicht ein eine zu mit für auf es wie haben den von",
    "fr": "le la les des et est vous nous je que qui un une pour dans pas avec sur votre ce",
    "it": "il lo gli che di e è un una per con non sono ci come la i del mi si vostro",
    "pt": "o os as que de e é um uma para com não você nós em do da por se isso seu",
    "nl": "de het een en is van ik je we u dat niet met voor op zijn wat hoe die te",
}
_STOP_WORDS = {language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()}


def guess_language(text: str) -> str | None:
    """The language of FILLERS whose function words are commonest in the text, or None."""
    words = [word.lower() for word in _WORD.findall(text)]
    if not words:
        return None
    shares = {
        language: sum(word in stop_words for word in words) / len(words)
        for language, stop_words in _STOP_WORDS.items()
    }
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= _LEAST_STOP_WORD_SHARE else None


def count_fillers(text: str, language: str) -> int:
    """How many fillers of this language the text holds; a phrase of several words counts once.

    Raises KeyError for a language that FILLERS does not hold.
    """
    hesitations, markers = _patterns(language)
    said = text.lower()
    return len(hesitations.findall(said)) + len(markers.findall(said))


@lru_cache(maxsize=len(FILLERS))
def _patterns(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    fillers = FILLERS[language]
    hesitations = "|".join(fillers.hesitations)
    markers = "|".join(sorted(map(re.escape, fillers.markers), key=len, reverse=True))
    # A hyphen makes another word of a hesitation: "mm-hm" agrees.
    # Before: the start of the text or punctuation; after: a comma, dash or ellipsis (a full stop or
    # question mark would make the marker a sentence: "Right?" asks, it does not fill).
    return (
        re.compile(rf"(?<![\w-])(?:{hesitations})(?![\w-])"),
        re.compile(rf"(?:^|(?<=[.,;:!?…–—])\s*)(?:{markers})(?=\s*(?:[,…–—]|\.\.\.|-\s))"),
    )  # fmt: skip
