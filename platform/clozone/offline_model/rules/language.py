"""Which language is spoken: by script, or by counting stop words."""

import re
from collections.abc import Iterable

from clozone.offline_model.rules.stop_words import STOP_WORDS

FALLBACK = "en"

# In this order: Japanese is told from Chinese by its kana.
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_LETTERS_THAT_TELL = 0.2


def language_of(text: str, words: Iterable[str]) -> str:
    """The ISO 639-1 code of a text, whose words are given; English when nothing tells."""
    letters = sum(map(str.isalpha, text))
    for code, script in _SCRIPTS:
        if letters and len(script.findall(text)) >= _LETTERS_THAT_TELL * letters:
            return code
    counts = dict.fromkeys(STOP_WORDS, 0)
    for word in words:
        for code, known in STOP_WORDS.items():
            counts[code] += word in known
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] > counts[FALLBACK] else FALLBACK
