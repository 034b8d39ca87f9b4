"""The windows in memory, with the clock in the test's hands."""

import pytest

from clozone.infra import rate_limit_windows
from clozone.infra.rate_limit_policy import Policy
from clozone.infra.rate_limit_windows import Count, LocalWindows

POLICY = Policy("user", 2, 60)


@pytest.fixture
def clock(monkeypatch):
    """Sets the time."""
    moment = [0.0]
    monkeypatch.setattr(rate_limit_windows.time, "monotonic", lambda: moment[0])

    def set_to(seconds: float) -> None:
        moment[0] = seconds

    return set_to


def test_each_place_comes_free_a_window_after_it_was_taken(clock):
    windows = LocalWindows()
    seen = []
    for second in (0, 10, 59, 60, 69, 70):
        clock(second)
        seen.append(windows.count(POLICY, "a", hit=True))
    assert seen == [
        Count(True, 1, 60),
        Count(True, 0, 50),
        Count(False, 0, 1),
        Count(True, 0, 10),
        Count(False, 0, 1),
        Count(True, 0, 50),
    ]


def test_looking_counts_nothing(clock):
    windows = LocalWindows()
    assert [windows.count(POLICY, "a", hit=False) for _ in range(3)] == [Count(True, 2, 0.0)] * 3
    windows.count(POLICY, "a", hit=True)
    assert windows.count(POLICY, "a", hit=False) == Count(True, 1, 60)


def test_what_is_forgotten_begins_anew(clock):
    windows = LocalWindows()
    for _ in range(3):
        windows.count(POLICY, "a", hit=True)
    windows.forget(POLICY, "a")
    windows.forget(POLICY, "nobody")
    assert windows.count(POLICY, "a", hit=True) == Count(True, 1, 60)


def test_policies_and_keys_are_counted_apart(clock):
    windows = LocalWindows()
    for policy, key in ((POLICY, "a"), (POLICY, "b"), (Policy("api", 2, 60), "a")):
        assert windows.count(policy, key, hit=True).remaining == 1


def test_of_too_many_keys_the_one_not_asked_for_longest_is_forgotten(clock, monkeypatch):
    monkeypatch.setattr(rate_limit_windows, "MOST_KEYS", 2)
    windows = LocalWindows()
    for key in ("a", "b", "a", "c"):
        windows.count(POLICY, key, hit=True)
    assert [windows.count(POLICY, key, hit=False).remaining for key in ("a", "b", "c")] == [0, 2, 1]
