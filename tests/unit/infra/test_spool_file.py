"""A file of the spool is read as it was written, or known for torn."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.infra.spool_file import ReceivedRequest, TornFile, decode, encode

# What JSON's UTF-8 cannot spell, no header can hold.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
requests = st.builds(
    ReceivedRequest,
    id=st.uuids(),
    received_at=st.datetimes(timezones=st.just(UTC)),
    request_id=st.none() | texts,
    headers=st.dictionaries(texts, texts, max_size=4),
    body=st.binary(max_size=200),
)
ONE = ReceivedRequest(
    id=UUID(int=7),
    received_at=datetime(2026, 11, 24, 3, 0, 0, 123456, tzinfo=UTC),
    request_id="the-request",
    headers={"user-agent": "Vapi"},
    body=b'{"message":\n{"type":"hang"}}\x00\xff',
)


@given(requests)
def test_what_was_written_is_read(request_: ReceivedRequest):
    assert decode(encode(request_)) == request_


@given(st.integers(0, len(encode(ONE)) - 1))
def test_what_was_cut_short_is_known(length: int):
    with pytest.raises(TornFile):
        decode(encode(ONE)[:length])


@given(st.integers(0, len(encode(ONE)) - 1), st.integers(1, 255))
def test_what_was_changed_is_known(place: int, difference: int):
    data = bytearray(encode(ONE))
    data[place] ^= difference
    with pytest.raises(TornFile):
        decode(bytes(data))


@given(st.binary(min_size=1, max_size=50))
def test_what_was_added_is_known(more: bytes):
    with pytest.raises(TornFile):
        decode(encode(ONE) + more)


@given(st.binary(max_size=300))
def test_what_is_another_programs_is_known(data: bytes):
    with pytest.raises(TornFile):
        decode(data)
