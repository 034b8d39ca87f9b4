"""A lease that is shorter than a slow round trip to the database would be lost again and again."""

import pytest
from pydantic import ValidationError

from clozone.settings import Settings


def complaints(monkeypatch: pytest.MonkeyPatch, lease: str) -> set[object]:
    monkeypatch.setenv("JOB_LEASE_SECONDS", lease)
    # Something else has to be wrong, so that there is always a list.
    monkeypatch.setenv("JOB_KEEP_DAYS", "-1")
    with pytest.raises(ValidationError) as refused:
        Settings()
    return {error["loc"][0] for error in refused.value.errors()}


def test_a_lease_lasts_a_second_at_least(monkeypatch: pytest.MonkeyPatch):
    assert "job_lease_seconds" in complaints(monkeypatch, "0.9")
    assert "job_lease_seconds" not in complaints(monkeypatch, "1")
