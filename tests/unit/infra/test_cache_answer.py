import gzip

import pytest

from clozone.infra.cache_answer import GZIP_LEAST_BYTES, Answer, pack, unpack
from clozone.infra.cache_negotiation import accepts_gzip

LARGE = b'{"figure": 1}' * GZIP_LEAST_BYTES
VERSION = bytes(range(32))


def kept(body: bytes) -> Answer:
    unpacked = unpack(pack(VERSION, 1.5, body))
    assert unpacked is not None
    return unpacked[1]


def test_what_is_packed_comes_back():
    packed = pack(VERSION, 1234.5, LARGE)
    assert packed.startswith(VERSION)
    unpacked = unpack(packed)
    assert unpacked is not None
    fresh_until, answer = unpacked
    assert fresh_until == 1234.5
    assert answer.body == LARGE
    assert answer.gzip is not None
    assert gzip.decompress(answer.gzip.body) == LARGE


@pytest.mark.parametrize("body", [b"", b"short", LARGE])
def test_what_was_not_packed_like_this_is_no_answer(body):
    packed = pack(VERSION, 1.5, body)
    for end in range(len(packed)):
        assert unpack(packed[:end]) is None
    for place in range(len(VERSION), len(packed)):
        changed = bytes([packed[place] ^ 1])
        assert unpack(packed[:place] + changed + packed[place + 1 :]) is None
    for more in (b"\0", b"\xff" * 5, packed):
        assert unpack(packed + more) is None
        assert unpack(VERSION + more) is None


def test_a_short_answer_is_not_compressed():
    answer = kept(b"x" * (GZIP_LEAST_BYTES - 1))
    assert answer.gzip is None
    assert answer.representation("gzip") is answer.identity


def test_an_empty_answer_comes_back():
    assert kept(b"").body == b""


def test_each_form_has_a_strong_tag_of_its_own():
    answer = kept(LARGE)
    plain, compressed = answer.representation(None), answer.representation("gzip, br")
    assert plain.etag == Answer.of(LARGE).etag == answer.etag
    assert compressed.etag != plain.etag
    assert all(form.etag[0] == form.etag[-1] == '"' for form in (plain, compressed))
    assert "Content-Encoding" not in plain.headers()
    assert compressed.headers()["Content-Encoding"] == "gzip"
    assert plain.headers()["Vary"] == compressed.headers()["Vary"] == "Accept-Encoding"


def test_the_same_body_has_the_same_tags_and_bytes():
    assert kept(LARGE) == kept(LARGE)
    assert kept(LARGE).etag != kept(LARGE + b" ").etag


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        (b"gzip, deflate, br", True),
        ("br, GZIP;q=0.1", True),
        ("x-gzip", True),
        ("*", True),
        ("deflate, br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip", True),
        ("gzip;q=high", False),
        ("gzip;q=nan", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_sent_to_who_accepts_it(accept_encoding, accepted):
    assert accepts_gzip(accept_encoding) is accepted


def test_a_client_that_has_a_form_of_the_answer_has_the_answer():
    answer = kept(LARGE)
    assert answer.gzip is not None
    plain, compressed = answer.identity, answer.gzip
    assert answer.unchanged_for(plain.etag, None) == plain
    assert answer.unchanged_for(compressed.etag, "gzip") == compressed
    # Whichever it has is the one that the 304 is about.
    assert answer.unchanged_for(plain.etag, "gzip") == plain
    assert answer.unchanged_for(compressed.etag, None) == compressed
    assert answer.unchanged_for(f"{plain.etag}, {compressed.etag}", "gzip") == compressed


def test_tags_are_compared_weakly_and_whole():
    answer = kept(LARGE)
    tag = answer.etag
    for field in (f"W/{tag}", f'"other",{tag}', f'"other" , W/{tag}', tag.encode(), "*"):
        assert answer.unchanged_for(field, None) == answer.identity
    for field in (None, "", '"other"', tag.strip('"'), f'"x{tag[1:]}', f'{tag[:-1]}x"', '"*"'):
        assert answer.unchanged_for(field, None) is None
