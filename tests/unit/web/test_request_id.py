import pytest

from clozone.web.request_id import accept_request_id


@pytest.mark.parametrize("sent", ["0123456789abcdef0123456789abcdef", "trace-1.2_3", "a" * 128])
def test_a_valid_id_is_kept(sent):
    assert accept_request_id(sent) == sent


@pytest.mark.parametrize(
    "sent",
    [None, "", "short", "a" * 129, "with space", "abcdefgh\n", "abcdefgh\r\nX: 1", "ünïcödé1"],
)
def test_anything_else_is_replaced_by_a_fresh_one(sent):
    first, second = accept_request_id(sent), accept_request_id(sent)
    assert first != sent
    assert first != second
    assert accept_request_id(first) == first
