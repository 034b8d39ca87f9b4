"""Bodies of requests, good unless changed."""

from typing import Any

import httpx2


def rubric(pass_score: int = 70) -> dict[str, Any]:
    return {
        "pass_score": pass_score,
        "criteria": [
            {
                "key": "discovery",
                "name": "Discovery",
                "kind": "checklist",
                "weight": 60,
                "items": [{"key": "budget", "text": "Asks about the budget"}],
            },
            {"key": "next_step", "name": "Next step", "kind": "yes_no", "weight": 40},
        ],
    }


def template(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Discovery",
        "scenario": "A buyer in a hurry.",
        "rubric": rubric(),
        **fields,
    }


def made_template(manager: httpx2.Client, **fields: Any) -> dict[str, Any]:
    answer = manager.post("/api/templates", json=template(**fields))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def everything(client: httpx2.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    items: list[dict[str, Any]] = []
    while True:
        page = client.get(path, params=query).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        query["cursor"] = page["next_cursor"]
