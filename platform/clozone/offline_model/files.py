"""Files given to, and made by, batches; in memory."""

import secrets
from dataclasses import dataclass
from typing import Any

from clozone.kit.clock import now
from clozone.offline_model.errors import not_found


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file and what the API tells about it."""

    id: str
    filename: str
    purpose: str
    created_at: int
    content: bytes

    def as_json(self) -> dict[str, Any]:
        """The file object of the API."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


class FileStore:
    """Keeps files until they are deleted or the process ends."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}

    def add(self, filename: str, purpose: str, content: bytes) -> StoredFile:
        """Keep a new file."""
        created = int(now().timestamp())
        file = StoredFile(f"file-{secrets.token_hex(12)}", filename, purpose, created, content)
        self._files[file.id] = file
        return file

    def get(self, file_id: str) -> StoredFile:
        """A file. Raises a 404."""
        if file_id not in self._files:
            raise not_found("file", file_id)
        return self._files[file_id]

    def delete(self, file_id: str) -> None:
        """Forget a file. Raises a 404."""
        del self._files[self.get(file_id).id]
