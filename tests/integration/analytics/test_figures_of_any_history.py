"""Whatever happened, in whatever order: the figures of any period are a plain count of the sessions."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from math import ceil

import pytest
from tests.support.analytics import Analytics
from tests.support.practice import BLOCKER, NOBODY, Practice

from clozone.analytics import recount
from clozone.analytics.periods import Period, Span
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.sessions.rollup import SUMS

START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 40
STEPS = 100
SPANS = 6


class History:
    """Random events of an organisation; late ones as likely as others."""

    def __init__(self, practice: Practice, seed: int) -> None:
        self._practice = practice
        self._random = random.Random(seed)
        self._alive = []

    def go_on(self):
        steps = [
            self.begin,
            self.grade,
            self.override,
            self.end,
            self.close,
            self.move,
            self.delete,
        ]
        weights = [4, 6, 3, 2, 3, 1, 1]
        if self._alive:
            (step,) = self._random.choices(steps, weights)
            step()
        else:
            self.begin()

    def begin(self):
        self._alive.append(
            self._practice.session(
                self._random.choice([self._practice.rep, self._practice.other_rep]),
                template=self._random.choice([0, 1, None]),
                created_at=START + timedelta(hours=self._random.randrange(DAYS * 24)),
            )
        )

    def grade(self):
        blockers = self._random.choice([[], [], [BLOCKER]])
        self._practice.grade(self._one(), self._random.randrange(101), blockers=blockers)

    def override(self):
        self._practice.override(self._one(), self._random.choice([None, 0, 65, 70, 100]))

    def end(self):
        self._practice.change(
            self._one(),
            status=self._random.choice(["not_gradable", "failed", "completed"]),
            duration_seconds=self._random.choice([None, 0.0, 61.2345, 3600.5]),
            metrics=self._random.choice([None, {"talk_ratio": None}, {"talk_ratio": 0.414}]),
            call_cost_microdollars=self._random.choice([None, 0, 123_456]),
        )

    def close(self):
        self._practice.change(self._one(), closed=self._random.choice([None, True, False]))

    def move(self):
        self._practice.change(
            self._one(), template_id=self._random.choice([*self._practice.templates, None])
        )

    def delete(self):
        session_id = self._one()
        self._alive.remove(session_id)
        self._practice.change(session_id, deleted_at=now())

    def span(self):
        last = START.date() + timedelta(days=self._random.randrange(-10, DAYS + 100))
        return Span.of(self._random.choice(list(Period)), last)

    def _one(self):
        return self._random.choice(self._alive)


def counted(rows, first: date, last: date, user_id=None):
    """The members of `Figures`, from what was counted session by session."""
    total, scores = Counter(dict.fromkeys(SUMS, 0)), Counter()
    for (day, user, _), row in rows.items():
        if first <= day <= last and user_id in (None, user):
            total.update({name: row[name] for name in SUMS})
            scores.update(row["score_counts"])
    ordered = sorted(scores.elements())

    def ratio(part, whole, digits):
        return round(part / whole, digits) if whole else None

    return {
        **{name: total[name] for name in ("sessions", "graded", "not_gradable", "passed")},
        "pass_rate": ratio(total["passed"], total["graded"], 4),
        "average_score": ratio(total["score_sum"], total["graded"], 2),
        **{
            f"score_p{percent}": ordered[ceil(len(ordered) * percent / 100) - 1]
            if ordered
            else None
            for percent in (50, 90)
        },
        "closed_won": total["closed_won"],
        "minutes": round(total["duration_ms"] / 60_000, 1),
        "average_talk_ratio": ratio(
            total["talk_ratio_permille"], total["talk_ratio_sessions"] * 1000, 3
        ),
        "call_cost_microdollars": total["call_cost_microdollars"],
    }


def ranked(rows, span, place, user_id=None):
    """Who or what has sessions in the span, the best average first: (id, figures)."""
    groups = {}
    for key, row in rows.items():
        if user_id in (None, key[1]):
            groups.setdefault(key[place], {})[key] = row
    found = [(group, counted(mine, span.first, span.last)) for group, mine in groups.items()]
    return sorted(
        (item for item in found if item[1]["sessions"]),
        key=lambda item: (-(item[1]["average_score"] or -1), -item[1]["graded"], item[0]),
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_of_any_period_are_a_count_of_its_sessions(practice, settings, seed):
    history, analytics = History(practice, seed), Analytics(settings, practice.org_id)
    for _ in range(STEPS):
        history.go_on()
    with unit_of_work(Scope.platform()):
        assert recount.differences(practice.org_id) == []
    rows = practice.recount()
    for user_id in (None, practice.rep):
        for _ in range(SPANS):
            span = history.span()
            found = analytics.report(span, user_id).model_dump()
            before = span.preceding()
            assert found["totals"] == counted(rows, span.first, span.last, user_id)
            assert found["previous"] == counted(rows, before.first, before.last, user_id)
            for day in found["by_day"]:
                expected = counted(rows, day["day"], day["day"], user_id)
                assert {name: expected[name] for name in day if name != "day"} == {
                    name: value for name, value in day.items() if name != "day"
                }
            templates = analytics.templates(span, user_id).items
            assert [(item.template_id or NOBODY, figures_of(item)) for item in templates] == (
                ranked(rows, span, 2, user_id)
            )
    span = Span(START.date(), START.date() + timedelta(days=29))
    users = analytics.users(span).items
    assert [(item.user_id, figures_of(item)) for item in users] == ranked(rows, span, 1) != []


def figures_of(item):
    named = item.model_dump()
    return {name: named[name] for name in counted({}, START.date(), START.date())}
