"""Each fault as the real client meets it."""

import json
import signal
import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI

from clozone.grading import scoring
from clozone.grading.evidence import UnreadableEvidence, parse


def content(client: OpenAI, call: dict[str, Any], **options: Any) -> str:
    return client.chat.completions.create(**call, **options).choices[0].message.content or ""


def test_a_rate_limit_says_when_to_come_again(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    server.switch({"kind": "rate_limit", "seconds": 2.5, "next": 1})
    with pytest.raises(openai.RateLimitError) as refusal:
        content(client, call)
    assert refusal.value.code == "rate_limit_exceeded"
    assert refusal.value.response.headers["retry-after"] == "3"
    assert refusal.value.response.headers["retry-after-ms"] == "2500"
    assert content(client, call)
    assert server.stats()["failed"] == {"rate_limit_exceeded": 1}


def test_an_empty_account_has_its_own_code(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    server.switch({"kind": "insufficient_quota"})
    with pytest.raises(openai.RateLimitError) as refusal:
        content(client, call)
    assert refusal.value.code == "insufficient_quota"
    assert "retry-after" not in refusal.value.response.headers


def test_every_second_call_fails(server: Any, client: OpenAI, call: dict[str, Any]) -> None:
    server.switch({"kind": "server_error", "every": 2})
    outcomes = []
    for _ in range(4):
        try:
            content(client, call)
            outcomes.append(200)
        except openai.InternalServerError as error:
            outcomes.append(error.status_code)
    assert outcomes == [200, 500, 200, 500]


def test_a_hanging_call_times_out(server: Any, call: dict[str, Any]) -> None:
    server.switch({"kind": "timeout", "next": 1})
    with pytest.raises(openai.APITimeoutError):
        content(server.client(timeout=0.3), call)
    assert server.stats()["answered"] == 0


def test_a_late_answer_is_still_the_answer(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    at_once = content(client, call)
    server.switch({"kind": "latency", "seconds": 0.2})
    with pytest.raises(openai.APITimeoutError):
        content(server.client(timeout=0.1), call)
    assert content(client, call) == at_once


def test_a_refusal_has_no_content(server: Any, client: OpenAI, call: dict[str, Any]) -> None:
    server.switch({"kind": "refusal"})
    message = client.chat.completions.create(**call).choices[0].message
    assert message.content is None
    assert message.refusal
    chunks = client.chat.completions.create(**call, stream=True)
    assert "".join(c.choices[0].delta.refusal or "" for c in chunks) == message.refusal


def test_a_truncated_answer_says_so(server: Any, client: OpenAI, call: dict[str, Any]) -> None:
    whole = content(client, call)
    server.switch({"kind": "truncated"})
    choice = client.chat.completions.create(**call).choices[0]
    assert choice.finish_reason == "length"
    assert choice.message.content
    assert whole.startswith(choice.message.content)


def test_invalid_json_looks_finished_and_is_not(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    server.switch({"kind": "invalid_json"})
    choice = client.chat.completions.create(**call).choices[0]
    assert choice.finish_reason == "stop"
    with pytest.raises(UnreadableEvidence):
        parse(choice.message.content or "")


def test_jitter_differs_from_call_to_call_and_repeats_from_the_start(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    def three() -> list[str]:
        server.control("DELETE", "/_control/stats")
        server.switch({"kind": "jitter", "rate": 0.5, "seed": 1})
        return [content(client, call) for _ in range(3)]

    first = three()
    assert len(set(first)) > 1
    assert three() == first


def test_an_invented_quote_does_not_count(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    from clozone.sessions.transcript import Turn
    from clozone.training.rubric import Rubric

    server.switch({"kind": "invented_quote", "next": 1})
    rubric = Rubric.model_validate(
        {
            "pass_score": 50,
            "criteria": [
                {
                    "key": "discovery",
                    "name": "Discovery",
                    "kind": "checklist",
                    "weight": 100,
                    "items": [
                        {"key": "budget", "text": "Asks about the budget"},
                        {"key": "decider", "text": "Asks who decides"},
                    ],
                }
            ],
        }
    )
    said = [
        Turn(0, "rep", "Is there a budget for this year?"),
        Turn(2, "rep", "And who decides in the end?"),
    ]
    graded = scoring.score(rubric, parse(content(client, call)), said)
    assert [item.key for item in graded.unsupported] == ["budget"]
    assert graded.score == 50
    again = scoring.score(rubric, parse(content(client, call)), said)
    assert (again.unsupported, again.score) == ((), 100)


def test_a_header_hits_one_call_alone(client: OpenAI, call: dict[str, Any]) -> None:
    with pytest.raises(openai.InternalServerError):
        content(client, call, extra_headers={"x-offline-fault": "server_error"})
    assert content(client, call)
    with pytest.raises(openai.BadRequestError):
        content(client, call, extra_headers={"x-offline-fault": "earthquake"})


def test_leaving_a_slow_stream_counts_as_one_answer(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    server.switch({"kind": "slow_stream", "seconds": 0.05})
    with client.chat.completions.create(**call, stream=True) as stream:
        next(iter(stream))
    assert server.stats()["answered"] == 1
    server.switch()
    assert content(client, call)


def test_what_is_switched_on_can_be_read_and_is_checked(server: Any) -> None:
    server.switch({"kind": "latency", "seconds": 0.1, "next": 3})
    status, body = server.control("GET", "/_control")
    assert status == 200
    assert [(f["kind"], f["seconds"], f["next"], f["seen"]) for f in body["faults"]] == [
        ("latency", 0.1, 3, 0)
    ]
    assert server.control("POST", "/_control", {"faults": [{"kind": "x"}]})[0] == 400
    assert server.control("POST", "/_control", {"fault": []})[0] == 400


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_running_answer_is_finished_before_the_server_stops(
    another_server: Callable[..., Any], call: dict[str, Any], stop: int
) -> None:
    server = another_server()
    server.switch({"kind": "latency", "seconds": 1})
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(content(server.client(), call)))
    asking.start()
    while server.stats()["received"] == 0:
        pass
    server.process.send_signal(stop)
    asking.join()
    assert json.loads(answers[0])["language"] == "en"
    assert server.process.wait() == 0
