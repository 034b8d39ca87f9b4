from collections import Counter

import pytest

from clozone.demo.content import DemoTemplate, demo_templates
from clozone.training.rubric import Rubric

TEMPLATES = demo_templates()
by_key = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.key)


def test_there_are_three() -> None:
    assert len({template.key for template in TEMPLATES}) == 3
    assert len({template.name for template in TEMPLATES}) == 3


@by_key
def test_the_platform_takes_the_rubric(template: DemoTemplate) -> None:
    rubric = Rubric.model_validate(template.rubric)
    weights = [criterion.weight for criterion in rubric.criteria]
    assert sum(weights) == 100
    assert 5 <= len(weights) <= 8


@by_key
def test_every_kind_of_criterion_is_shown(template: DemoTemplate) -> None:
    kinds = Counter(criterion["kind"] for criterion in template.rubric["criteria"])
    assert set(kinds) == {"checklist", "scale", "yes_no", "compliance"}


@by_key
def test_every_observable_thing_has_examples(template: DemoTemplate) -> None:
    for criterion in template.rubric["criteria"]:
        for observable in criterion.get("items", [criterion]):
            assert len(observable["examples"]) >= 2, observable["key"]


@by_key
def test_the_voice_agent_knows_who_it_is(template: DemoTemplate) -> None:
    assert template.scenario.startswith("You are ")
    assert template.first_message


def test_both_compliance_rules_occur() -> None:
    rules = {
        criterion["rule"]
        for template in TEMPLATES
        for criterion in template.rubric["criteria"]
        if criterion["kind"] == "compliance"
    }
    assert rules == {"must_say", "must_not_say"}
