"""Vapi's API, as far as the reconciler reads it: the list of calls, and single calls."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from clozone.infra.answer_deadline import ending_after
from clozone.kit.clock import iso
from clozone.kit.http import retry_after_seconds
from clozone.settings import Settings

Call = Mapping[str, Any]

PAGE = 100
MOST_PAGES = 200
ANSWER_SECONDS = 60.0
CONNECT_SECONDS = 5.0
# A page of a hundred calls with long transcripts has some megabytes.
MOST_BYTES = 128 * 1024 * 1024

TRIES = 4
LONGEST_PAUSE_SECONDS = 30.0

_NOT_FOUND, _TOO_MANY = 404, 429


class VapiFailed(Exception):
    """Vapi did not answer as it should; the sentence says how, and what to do about it."""


class VapiApi:
    """A client with the operator's key. A context manager; for one thread."""

    def __init__(self, settings: Settings, key: str) -> None:
        self._base = settings.vapi_base_url.rstrip("/")
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {key}", "User-Agent": "clozone"},
            timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            event_hooks=ending_after(ANSWER_SECONDS),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def calls(self, since: datetime) -> Iterator[list[Call]]:
        """Every call that changed at `since` or later, newest first, in pages without repetitions.

        Raises VapiFailed, also when the list is too long to be read to its end.
        """
        seen: set[str] = set()
        created_until: str | None = None
        for _ in range(MOST_PAGES):
            query: dict[str, str | int] = {"updatedAtGe": iso(since), "limit": PAGE}
            if created_until is not None:
                # Vapi's list has no cursor; the last call of a page comes again with the next.
                query["createdAtLe"] = created_until
            page = self._list(query)
            fresh = [call for call in page if call["id"] not in seen]
            seen.update(call["id"] for call in fresh)
            if fresh:
                yield fresh
            if len(page) < PAGE:
                return
            created = [call["createdAt"] for call in page if isinstance(call.get("createdAt"), str)]
            if not fresh or not created:
                raise VapiFailed(
                    "Vapi's list of calls does not go on: use --since with a later time."
                )
            created_until = min(created)
        raise VapiFailed(
            f"Vapi lists more than {MOST_PAGES * PAGE} calls: use --since with a later time."
        )

    def call(self, call_id: str) -> Call | None:
        """One call, or None when Vapi knows of none with this id. Raises VapiFailed."""
        answer: Call | None = self._get(f"/call/{quote(call_id, safe='')}")
        if answer is not None and not _is_call(answer):
            raise VapiFailed("Vapi's answer to a call's id is no call.")
        return answer

    def _list(self, query: Mapping[str, str | int]) -> list[Call]:
        answer = self._get("/call", query)
        if not isinstance(answer, list) or not all(_is_call(call) for call in answer):
            raise VapiFailed("Vapi's answer is no list of calls: check VAPI_BASE_URL.")
        return answer

    def _get(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        for attempt in range(1, TRIES + 1):
            try:
                status, headers, body = self._ask(path, query)
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
                raise VapiFailed("VAPI_BASE_URL is no address that can be asked.") from error
            except httpx2.HTTPError as error:
                if attempt == TRIES:
                    raise VapiFailed(
                        f"Vapi could not be reached: {type(error).__name__}."
                    ) from error
                status, headers, body = 0, {}, b""
            if status == _NOT_FOUND and query is None:
                return None
            if status and status < 500 and status != _TOO_MANY:
                return _document(status, body)
            if attempt < TRIES:
                told = retry_after_seconds(headers)
                time.sleep(
                    min(2.0 ** (attempt - 2) if told is None else told, LONGEST_PAUSE_SECONDS)
                )
        raise VapiFailed(f"Vapi answered {status}, {TRIES} times: it will be asked again later.")

    def _ask(
        self, path: str, query: Mapping[str, str | int] | None
    ) -> tuple[int, dict[str, str], bytes]:
        with self._client.stream("GET", self._base + path, params=query) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise VapiFailed(f"Vapi's answer has more than {MOST_BYTES} bytes.")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status_code, headers, bytes(body)


def _document(status: int, body: bytes) -> Any:
    if status in (401, 403):
        raise VapiFailed(f"Vapi refuses the key ({status}): check VAPI_API_KEY, the private one.")
    if status != 200:
        raise VapiFailed(f"Vapi answered {status}: check VAPI_BASE_URL.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise VapiFailed("Vapi's answer is not JSON: check VAPI_BASE_URL.") from error


def _is_call(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("id"), str)
