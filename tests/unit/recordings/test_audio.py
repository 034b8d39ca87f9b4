"""What counts as sound."""

import pytest

from clozone.recordings.audio import may_be_audio, sniff


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "audio/wav"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64" + bytes(8), "audio/mpeg"),
        (b"\xff\xf3\x84\xc4" + bytes(8), "audio/mpeg"),
        (b"OggS\x00\x02" + bytes(6), "audio/ogg"),
        (b"\x1a\x45\xdf\xa3" + bytes(8), "audio/webm"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", None),
        (b"<!DOCTYPE html>", None),
        (b"\xff\xd8\xff\xe0" + bytes(8), None),  # JPEG
        (b"\xff\xfe<\x00?\x00x\x00m\x00l\x00", None),  # UTF-16
        (b"\xff\xff\xff\xff" + bytes(8), None),
        (b"PK\x03\x04" + bytes(8), None),
        (b"", None),
        (b"RIFF", None),
        (b"\xff", None),
    ],
)
def test_the_first_bytes_decide(head: bytes, media_type: str | None):
    assert sniff(head) == media_type


@pytest.mark.parametrize(
    ("declared", "may_be"),
    [
        ("audio/wav", True),
        ("Audio/X-WAV; codecs=1", True),
        ("application/octet-stream", True),
        ("binary/octet-stream", True),
        ("application/ogg", True),
        ("video/webm; codecs=opus", True),
        ("", True),
        (None, True),
        ("text/html; charset=utf-8", False),
        ("application/json", False),
        ("video/mp4", False),
        ("notaudio/wav", False),
    ],
)
def test_what_the_server_calls_it_must_fit(declared: str | None, may_be: bool):
    assert may_be_audio(declared) is may_be
