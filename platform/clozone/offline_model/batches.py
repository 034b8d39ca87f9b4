"""Batches: the same calls out of a file, answered in the background into another file.

Files and batches live in memory and end with the process, as befits a server whose answers can be
made again at any time.
"""

import asyncio
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from clozone.kit.clock import now
from clozone.offline_model.batch_lines import BatchLine, InvalidBatch, read_lines
from clozone.offline_model.completions import Completions
from clozone.offline_model.errors import ApiError, bad_request, not_found
from clozone.offline_model.faults import BATCH_KINDS, FaultPlan
from clozone.offline_model.files import FileStore
from clozone.offline_model.wire import completion_json

ENDPOINT = "/v1/chat/completions"
WINDOW = "24h"
WINDOW_SECONDS = 86_400
EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}


@dataclass(slots=True)
class Batch:
    """A batch in the form of the API, and the lines it was given."""

    id: str
    input_file_id: str
    content: bytes
    metadata: dict[str, str]
    status: str = "validating"
    errors: dict[str, Any] | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    counts: dict[str, int] = field(
        default_factory=lambda: {"total": 0, "completed": 0, "failed": 0}
    )
    times: dict[str, int] = field(default_factory=dict)

    def enter(self, status: str) -> None:
        """Go on to the next state and note the time."""
        self.status = status
        self.times[f"{status}_at"] = _timestamp()

    def as_json(self) -> dict[str, Any]:
        """The batch object of the API."""
        own = {"content", "counts", "times"}
        return {name: value for name, value in asdict(self).items() if name not in own} | {
            "object": "batch",
            "endpoint": ENDPOINT,
            "completion_window": WINDOW,
            "expires_at": self.times["created_at"] + WINDOW_SECONDS,
            "request_counts": dict(self.counts),
            **self.times,
        }


class Batches:
    """Creates batches, works them off, and finds them again."""

    def __init__(self, completions: Completions, files: FileStore, plan: FaultPlan) -> None:
        self._completions = completions
        self._files = files
        self._plan = plan
        self._batches: dict[str, Batch] = {}

    def create(self, body: Any) -> Batch:
        """A new batch from the body of `POST /v1/batches`; `work_off` must be started for it."""
        if not isinstance(body, dict):
            raise bad_request("expected an object")
        for name, only in (("endpoint", ENDPOINT), ("completion_window", WINDOW)):
            if body.get(name) != only:
                raise bad_request(f"'{name}' must be '{only}'.", name)
        metadata = body.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise bad_request("'metadata' must be an object.", "metadata")
        file = self._files.get(str(body.get("input_file_id")))
        batch = Batch(f"batch_{secrets.token_hex(12)}", file.id, file.content, metadata)
        batch.times["created_at"] = _timestamp()
        self._batches[batch.id] = batch
        return batch

    def get(self, batch_id: str) -> Batch:
        """A batch. Raises a 404."""
        if batch_id not in self._batches:
            raise not_found("batch", batch_id)
        return self._batches[batch_id]

    def cancel(self, batch_id: str) -> Batch:
        """Stop before the next line; what was answered is kept. Raises a 409 when it has ended."""
        batch = self.get(batch_id)
        if batch.status not in {"validating", "in_progress"}:
            message = f"Cannot cancel a batch with status '{batch.status}'."
            raise ApiError(HTTPStatus.CONFLICT, message)
        batch.enter("cancelling")
        return batch

    async def work_off(self, batch: Batch) -> None:
        """Answer every line of the batch's file, one after the other."""
        try:
            lines = await asyncio.to_thread(read_lines, batch.content, ENDPOINT)
        except InvalidBatch as invalid:
            batch.errors = {"object": "list", "data": list(invalid.problems)}
            batch.enter("failed")
            return
        batch.counts["total"] = len(lines)
        expires = self._plan.take(BATCH_KINDS)
        if batch.status == "validating":
            batch.enter("in_progress")
        answered = await self._answer(batch, lines, expires[0].after if expires else None)
        left = [_result(line, None, EXPIRED) for line in lines[answered:]] if expires else []
        self._store(batch, "error_file_id", left)
        if batch.status == "cancelling":
            batch.enter("cancelled")
        elif expires:
            batch.enter("expired")
        else:
            batch.enter("finalizing")
            batch.enter("completed")

    async def _answer(self, batch: Batch, lines: Sequence[BatchLine], limit: int | None) -> int:
        """Answer up to `limit` lines into the batch's files; how many were."""
        answers: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        for line in lines[:limit]:
            if batch.status == "cancelling":
                break
            try:
                completion = await self._completions.complete(line.body)
            except ApiError as error:
                failures.append(_result(line, (error.status, error.body), None))
                batch.counts["failed"] += 1
            else:
                body = completion_json(completion)
                answers.append(_result(line, (HTTPStatus.OK, body), None))
                batch.counts["completed"] += 1
        self._store(batch, "output_file_id", answers)
        self._store(batch, "error_file_id", failures)
        return len(answers) + len(failures)

    def _store(self, batch: Batch, where: str, results: Sequence[dict[str, Any]]) -> None:
        if not results:
            return
        text = "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in results)
        former = getattr(batch, where)
        earlier = self._files.get(former).content if former else b""
        name = f"{batch.id}_{where.removesuffix('_file_id')}.jsonl"
        setattr(batch, where, self._files.add(name, "batch_output", earlier + text.encode()).id)


def _result(
    line: BatchLine, response: tuple[int, dict[str, Any]] | None, error: dict[str, str] | None
) -> dict[str, Any]:
    return {
        "id": f"batch_req_{secrets.token_hex(12)}",
        "custom_id": line.custom_id,
        "response": None
        if response is None
        else {
            "status_code": response[0],
            "request_id": f"req_{secrets.token_hex(12)}",
            "body": response[1],
        },
        "error": error,
    }


def _timestamp() -> int:
    return int(now().timestamp())
