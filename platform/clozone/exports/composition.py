"""From the facts of a graded session to its scorecard. Only the worker needs this."""

from collections.abc import Iterator, Sequence
from typing import Any

from clozone.exports.facts import ScorecardFacts
from clozone.exports.scorecard import (
    BetterLine,
    CardCriterion,
    CardItem,
    CardMetrics,
    CardReview,
    Quote,
    Scorecard,
    TalkSegment,
)
from clozone.exports.scorecard.formats import clock

Json = dict[str, Any]


def scorecard_of(facts: ScorecardFacts) -> Scorecard:
    """The card of these facts: the same facts always give the same card."""
    broken = {blocker["key"] for blocker in facts.blockers}
    return Scorecard(
        session_id=str(facts.session_id),
        organisation=facts.organisation,
        rep_name=facts.rep_name,
        scenario=facts.scenario,
        called_at=facts.called_at,
        duration_seconds=facts.duration_seconds,
        ai_score=facts.score,
        passed=facts.passed,
        pass_score=facts.pass_score,
        model=facts.model,
        prompt_version=facts.prompt_version,
        graded_at=facts.graded_at,
        summary=facts.summary,
        blockers=tuple(_blocker(blocker) for blocker in facts.blockers),
        criteria=tuple(
            _criterion(criterion, broken=criterion["key"] in broken) for criterion in facts.criteria
        ),
        metrics=_metrics(facts.metrics),
        talk_strip=tuple(_segments(facts.transcript)),
        strengths=tuple(facts.strengths),
        next_steps=tuple(facts.next_steps),
        better_lines=tuple(_better_line(line, facts.transcript) for line in facts.better_lines),
        review=_review(facts),
    )


def _blocker(blocker: Json) -> str:
    quotes = blocker["quotes"]
    if not quotes:
        return f"{blocker['name']}: this has to be said in every call, and was not."
    said, start = quotes[0]["text"], quotes[0]["start"]
    moment = f" at {clock(start)}" if start is not None else ""
    return f"{blocker['name']}{moment}: “{said}”"


def _criterion(criterion: Json, *, broken: bool) -> CardCriterion:
    items = criterion["items"]
    # What is not a checklist has one finding, which is the criterion's own.
    is_list = criterion["kind"] == "checklist"
    return CardCriterion(
        name=criterion["name"],
        kind=criterion["kind"],
        weight=criterion["weight"],
        points=criterion["points"],
        level=criterion["level"],
        observed=not is_list and items[0]["observed"],
        broken=broken,
        unsupported=not is_list and items[0]["unsupported"],
        items=tuple(CardItem(item["text"], item["observed"], item["unsupported"]) for item in items)
        if is_list
        else (),
        quotes=tuple(
            Quote(quote["text"], quote["start"]) for item in items for quote in item["quotes"]
        ),
        note="" if is_list else items[0]["note"],
    )


def _metrics(metrics: Json) -> CardMetrics:
    return CardMetrics(
        talk_ratio=metrics.get("talk_ratio"),
        longest_monologue_seconds=metrics.get("longest_monologue_seconds"),
        questions=metrics.get("questions"),
        question_rate_per_minute=metrics.get("question_rate_per_minute"),
        filler_words=metrics.get("filler_words"),
        filler_rate_per_minute=metrics.get("filler_rate_per_minute"),
        turn_switches_per_minute=metrics.get("interactivity"),
        interruptions=metrics.get("interruptions"),
    )


def _segments(transcript: Sequence[Json]) -> Iterator[TalkSegment]:
    for turn in transcript:
        if turn["start"] is not None and turn["end"] is not None:
            yield TalkSegment(turn["start"], turn["end"], turn["speaker"])


def _better_line(line: Json, transcript: Sequence[Json]) -> BetterLine:
    # The number of the turn is the model's word, and may be out of the call.
    starts = {turn["index"]: turn["start"] for turn in transcript}
    return BetterLine(line["said"], line["better"], starts.get(line["turn"]))


def _review(facts: ScorecardFacts) -> CardReview | None:
    if facts.reviewer is None:
        return None
    comment = facts.review_comment or ""
    if facts.overrider is None:
        return CardReview(facts.reviewer, comment, facts.override_score)
    # The page names one reviewer, who has to be the one who set the score.
    comments = f"{facts.override_comment or ''} {facts.reviewer} adds: {comment}".strip()
    return CardReview(facts.overrider, comments, facts.override_score)
