"""From evidence to a score, in exact arithmetic. The model has no say in any number but a level."""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from clozone.grading.evidence import CriterionEvidence, Evidence, Finding
from clozone.grading.quotes import FoundQuote, Transcript
from clozone.grading.scored_call import (
    Blocker,
    ScoredCall,
    ScoredCriterion,
    ScoredItem,
    SupportedQuote,
    UnsupportedQuote,
)
from clozone.sessions.transcript import Turn
from clozone.training.rubric import (
    ChecklistCriterion,
    ComplianceCriterion,
    Criterion,
    Rubric,
    ScaleCriterion,
)

LOWEST_LEVEL, HIGHEST_LEVEL = 1, 10


def score(rubric: Rubric, evidence: Evidence, turns: Sequence[Turn]) -> ScoredCall:
    """Grade a call: the same rubric, evidence and turns always give the same result.

    Only what a quote from the rep's own turns supports counts. What the evidence leaves out counts
    as not observed; what it says about things that are not in the rubric is ignored.
    """
    transcript = Transcript(turns)
    criteria = tuple(
        _score_criterion(
            criterion,
            [answer for answer in evidence.criteria if answer.key == criterion.key],
            transcript,
        )
        for criterion in rubric.criteria
    )
    total = half_up(sum((criterion.points for criterion in criteria), Fraction(0)))
    blockers = tuple(
        _blocker(criterion, scored)
        for criterion, scored in zip(rubric.criteria, criteria, strict=True)
        if isinstance(criterion, ComplianceCriterion) and scored.share == 0
    )
    return ScoredCall(
        score=total,
        passed=total >= rubric.pass_score and not blockers,
        pass_score=rubric.pass_score,
        criteria=criteria,
        blockers=blockers,
    )


def half_up(value: Fraction) -> int:
    """The nearest integer; halves go up."""
    return floor(value + Fraction(1, 2))


def _score_criterion(
    criterion: Criterion, answers: list[CriterionEvidence], transcript: Transcript
) -> ScoredCriterion:
    findings = [finding for answer in answers for finding in answer.findings]
    items: tuple[ScoredItem, ...]
    level, claimed_level = None, None
    if isinstance(criterion, ScaleCriterion):
        claimed_level = max((answer.level or LOWEST_LEVEL for answer in answers), default=1)
        items = (_scale_item(criterion, claimed_level, findings, transcript),)
        level = claimed_level if items[0].observed else LOWEST_LEVEL
        share = Fraction(level - LOWEST_LEVEL, HIGHEST_LEVEL - LOWEST_LEVEL)
    elif isinstance(criterion, ChecklistCriterion):
        items = tuple(
            _item(item.key, item.text, [f for f in findings if f.item == item.key], transcript)
            for item in criterion.items
        )
        share = Fraction(sum(item.observed for item in items), len(items))
    else:
        # There is one thing to find here, so whatever name the model gave it is accepted.
        items = (_item(criterion.key, criterion.name, findings, transcript),)
        forbidden = isinstance(criterion, ComplianceCriterion) and criterion.rule == "must_not_say"
        share = Fraction(items[0].observed is not forbidden)
    return ScoredCriterion(
        key=criterion.key,
        name=criterion.name,
        kind=criterion.kind,
        weight=criterion.weight,
        share=share,
        points=share * criterion.weight,
        level=level,
        claimed_level=claimed_level,
        items=items,
    )


def _item(key: str, text: str, findings: list[Finding], transcript: Transcript) -> ScoredItem:
    claims = [finding for finding in findings if finding.observed]
    note = _note(claims or findings)
    return _checked(key, text, claims, transcript, claimed=bool(claims), note=note)


def _scale_item(
    criterion: ScaleCriterion, claimed_level: int, findings: list[Finding], transcript: Transcript
) -> ScoredItem:
    # A level stands on its quotes alone: "observed" says nothing about a scale.
    claimed = claimed_level > LOWEST_LEVEL
    key, name, note = criterion.key, criterion.name, _note(findings)
    return _checked(key, name, findings, transcript, claimed=claimed, note=note)


def _note(findings: list[Finding]) -> str:
    return next((finding.note for finding in findings if finding.note), "")


def _checked(
    key: str,
    text: str,
    claims: list[Finding],
    transcript: Transcript,
    *,
    claimed: bool,
    note: str,
) -> ScoredItem:
    supported: dict[tuple[int, str], SupportedQuote] = {}
    unsupported: list[UnsupportedQuote] = []
    for quote in (quote for finding in claims for quote in finding.quotes):
        found = transcript.find(quote.text, near=quote.turn)
        if isinstance(found, FoundQuote):
            turn = found.turn
            supported[turn.index, found.text] = SupportedQuote(turn.index, found.text, turn.start)
        else:
            unsupported.append(UnsupportedQuote(quote.turn, quote.text, found))
    return ScoredItem(
        key=key,
        text=text,
        observed=claimed and bool(supported),
        claimed=claimed,
        note=note,
        quotes=tuple(supported.values()),
        unsupported_quotes=tuple(unsupported),
    )


def _blocker(criterion: ComplianceCriterion, scored: ScoredCriterion) -> Blocker:
    quotes = scored.items[0].quotes if criterion.rule == "must_not_say" else ()
    return Blocker(criterion.key, criterion.name, criterion.rule, quotes)
