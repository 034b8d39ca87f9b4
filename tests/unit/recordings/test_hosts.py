"""Which hosts recordings may come from."""

import pytest

from clozone.recordings.hosts import is_allowed

ALLOWED = ["vapi.ai", ".r2.example", "*.s3.example", "10.0.0.7", " "]


@pytest.mark.parametrize(
    "host",
    [
        "vapi.ai",
        "storage.vapi.ai",
        "STORAGE.VAPI.AI",
        "a.b.vapi.ai",
        "vapi.ai.",
        "x.r2.example",
        "r2.example",
        "bucket.s3.example",
        "10.0.0.7",
    ],
)
def test_a_host_and_all_below_it(host: str):
    assert is_allowed(host, ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        "notvapi.ai",
        "vapi.ai.evil.example",
        "vapi.a",
        "ai",
        "",
        ".",
        "evil-r2.example",
        "10.0.0.70",
        "110.0.0.7",
        "vapi-ai",
        "example",
    ],
)
def test_nothing_else(host: str):
    assert not is_allowed(host, ALLOWED)


def test_an_empty_list_allows_none():
    assert not is_allowed("vapi.ai", [])
