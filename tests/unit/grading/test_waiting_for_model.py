import pytest

from clozone.grading.service import MOST_WAITS, waiting_for_model
from clozone.kit.errors import Postponed
from clozone.llm.errors import ModelBusy


@pytest.mark.parametrize("code", ["unreachable", "rate_limit"])
def test_a_model_that_is_away_is_waited_for(code):
    waits = [waiting_for_model(ModelBusy(code, "…"), attempt) for attempt in range(1, 9)]
    assert all(isinstance(wait, Postponed) for wait in waits)
    seconds = [wait.after for wait in waits]
    assert seconds == sorted(seconds)
    assert seconds[0] == 2


def test_the_provider_says_how_long():
    wait = waiting_for_model(ModelBusy("rate_limit", "…", after=300), 1)
    assert isinstance(wait, Postponed)
    assert wait.after == 300


@pytest.mark.parametrize(
    ("code", "attempt"), [("server_error", 1), ("timeout", 1), ("unreachable", MOST_WAITS + 1)]
)
def test_other_trouble_and_long_absence_count_as_failures(code, attempt):
    error = ModelBusy(code, "…")
    assert waiting_for_model(error, attempt) is error
