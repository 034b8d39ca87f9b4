"""Batches through the real client, from upload to results."""

import json
import time
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

ENDPOINT: Any = "/v1/chat/completions"
PATIENCE_SECONDS = 30.0


def begin(client: OpenAI, bodies: dict[str, dict[str, Any]]) -> Batch:
    lines = [
        json.dumps({"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body})
        for name, body in bodies.items()
    ]
    data = "\n".join(lines).encode()
    file = client.files.create(file=("input.jsonl", data), purpose="batch")
    assert (file.bytes, file.purpose) == (len(data), "batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint=ENDPOINT,
        completion_window="24h",
        metadata={"purpose": "regrade"},
    )


def ended(client: OpenAI, batch: Batch) -> Batch:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while batch.status in {"validating", "in_progress", "finalizing", "cancelling"}:
        if time.monotonic() > give_up:
            raise TimeoutError(f"the batch is still {batch.status}")
        batch = client.batches.retrieve(batch.id)
    return batch


def results(client: OpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    assert file_id is not None
    lines = client.files.content(file_id).text.splitlines()
    return {line["custom_id"]: line for line in map(json.loads, lines)}


def test_a_batch_answers_like_single_calls(client: OpenAI, call: dict[str, Any]) -> None:
    single = client.chat.completions.create(**call).choices[0].message.content
    batch = begin(client, {"a": call, "b": call})
    assert batch.status == "validating"
    assert batch.output_file_id is None
    batch = ended(client, batch)
    assert batch.status == "completed"
    assert batch.in_progress_at is not None
    assert batch.completed_at is not None
    assert batch.metadata == {"purpose": "regrade"}
    assert batch.error_file_id is None
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 2, "completed": 2, "failed": 0}
    output = results(client, batch.output_file_id)
    assert set(output) == {"a", "b"}
    for line in output.values():
        assert line["response"]["status_code"] == 200
        body = line["response"]["body"]
        assert body["choices"][0]["message"]["content"] == single
        assert body["usage"]["prompt_tokens"] > 0


def test_failed_lines_go_to_a_file_of_their_own(client: OpenAI, call: dict[str, Any]) -> None:
    bodies = {"good": call, "bad": call | {"model": "gpt-x"}, "worse": call | {"messages": []}}
    batch = ended(client, begin(client, bodies))
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 3, "completed": 1, "failed": 2}
    assert set(results(client, batch.output_file_id)) == {"good"}
    failures = results(client, batch.error_file_id)
    assert {name: line["response"]["status_code"] for name, line in failures.items()} == {
        "bad": 404,
        "worse": 400,
    }
    assert failures["bad"]["response"]["body"]["error"]["code"] == "model_not_found"


def test_a_batch_is_worked_off_in_the_background(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    server.switch({"kind": "latency", "seconds": 0.2})
    batch = begin(client, {str(n): call for n in range(3)})
    seen = [batch.status]
    while seen[-1] not in {"completed", "failed"}:
        seen.append(client.batches.retrieve(batch.id).status)
    assert list(dict.fromkeys(seen)) == ["validating", "in_progress", "completed"]


def test_an_expired_batch_keeps_what_was_answered(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    server.switch({"kind": "batch_expired", "after": 2, "next": 1})
    batch = ended(client, begin(client, {str(n): call for n in range(5)}))
    assert batch.status == "expired"
    assert set(results(client, batch.output_file_id)) == {"0", "1"}
    left = results(client, batch.error_file_id)
    assert {name: line["error"]["code"] for name, line in left.items()} == dict.fromkeys(
        "234", "batch_expired"
    )
    assert server.stats()["answered"] == 2
    assert ended(client, begin(client, {"again": call})).status == "completed"


def test_a_batch_can_be_stopped(server: Any, client: OpenAI, call: dict[str, Any]) -> None:
    server.switch({"kind": "latency", "seconds": 0.2})
    batch = begin(client, {str(n): call for n in range(100)})
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = ended(client, batch)
    assert batch.status == "cancelled"
    assert server.stats()["answered"] < 100
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_a_file_with_a_bad_line_fails_the_batch(client: OpenAI) -> None:
    file = client.files.create(file=("x.jsonl", b"no json\n"), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
    batch = ended(client, batch)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [error.line for error in batch.errors.data or []] == [1]


def test_files_can_be_read_and_deleted(client: OpenAI) -> None:
    file = client.files.create(file=("x.jsonl", b"some bytes"), purpose="batch")
    assert client.files.content(file.id).read() == b"some bytes"
    assert client.files.retrieve(file.id).filename == "x.jsonl"
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_what_makes_no_batch_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-none", endpoint=ENDPOINT, completion_window="24h")
    with pytest.raises(openai.BadRequestError):
        client.batches.create(
            input_file_id="file-none", endpoint="/v1/embeddings", completion_window="24h"
        )
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("x.jsonl", b"x"), purpose="assistants")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")
