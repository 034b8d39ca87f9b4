"""Token counts by a fixed rule, and which prefix of a prompt was seen before.

A token is four bytes of UTF-8. A prompt's text is the schema of the answer (when there is one),
then each message as role and content; that is also the order in which providers cache it.
"""

import hashlib
from collections import OrderedDict

BYTES_PER_TOKEN = 4
LEAST_CACHED = 1024
CACHED_STEP = 128
REMEMBERED_PREFIXES = 20_000


def count_tokens(text: str) -> int:
    """UTF-8 bytes divided by 4, rounded up."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def cut_to_tokens(text: str, limit: int) -> str:
    """The longest beginning of `text` that counts at most `limit` tokens."""
    return text.encode()[: limit * BYTES_PER_TOKEN].decode(errors="ignore")


class PrefixCache:
    """Remembers the beginnings of prompts: 1024 tokens, and every 128 from there on.

    The least recently used are forgotten. Nothing of a prompt is kept but digests.
    """

    def __init__(self, capacity: int = REMEMBERED_PREFIXES) -> None:
        self._capacity = capacity
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def cached_tokens(self, prompt: str) -> int:
        """How many tokens at the beginning of `prompt` an earlier prompt began with; remembers it."""
        cached = 0
        matching = True
        for tokens, digest in _prefixes(prompt):
            matching = matching and digest in self._seen
            if matching:
                cached = tokens
            self._seen[digest] = None
            self._seen.move_to_end(digest)
        while len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
        return cached


def _prefixes(prompt: str) -> list[tuple[int, bytes]]:
    data = prompt.encode()
    digest = hashlib.blake2b(digest_size=16)
    found = []
    start = 0
    for tokens in range(LEAST_CACHED, len(data) // BYTES_PER_TOKEN + 1, CACHED_STEP):
        end = tokens * BYTES_PER_TOKEN
        digest.update(data[start:end])
        found.append((tokens, digest.digest()))
        start = end
    return found
