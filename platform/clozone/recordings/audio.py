"""Whether what a server sends is sound, by what it says and by what it is."""

# Of containers that hold more than sound, and of bytes of any kind: S3's own default for what was
# stored without a type is the last one.
_ALSO = frozenset(
    {"application/ogg", "video/webm", "application/octet-stream", "binary/octet-stream"}
)

SNIFFED_BYTES = 12


def may_be_audio(declared: str | None) -> bool:
    """Whether a Content-Type header is one that sound comes with; none at all is."""
    media_type = (declared or "").partition(";")[0].strip().lower()
    return not media_type or media_type.startswith("audio/") or media_type in _ALSO


def sniff(head: bytes) -> str | None:
    """The media type of a recording that begins so (12 bytes at least), or None for what is none."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[:3] == b"ID3" or _is_mpeg_frame(head):
        return "audio/mpeg"
    if head[:4] == b"OggS":
        return "audio/ogg"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "audio/webm"
    return None


def _is_mpeg_frame(head: bytes) -> bool:
    """Eleven bits of sync, then a version, a layer, a bit rate and a sample rate that exist."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    bit_rate, sample_rate = head[2] >> 4, (head[2] >> 2) & 3
    return version != 1 and layer != 0 and bit_rate not in (0, 15) and sample_rate != 3
