"""Reading JSON that came from outside."""

import json
from typing import Any


def load_json(raw: bytes) -> Any:
    """The value in `raw`. Raises ValueError also for what Python reads and UTF-8 cannot hold."""
    try:
        value = json.loads(raw)
        if b"\\ud" in raw.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    return value
