"""Object storage over the S3 protocol: scorecards, recordings. The only file importing minio.

Errors, for every call that reaches the server:
- `NotFound`: there is no object under this key.
- `Retryable`: the server is away, too slow, overloaded or not answering as S3 does. A few quick
  retries happened already.
- `Permanent`: the server refuses for good, for instance wrong keys or a missing bucket; the message
  says which setting to look at.
"""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import file_digest, sha256
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import UUID

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from clozone.kit.errors import NotFound, Permanent, Retryable
from clozone.settings import Settings

CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 15.0
RETRIES = 2
RETRY_BACKOFF_SECONDS = 0.2
PING_TIMEOUT_SECONDS = 2.0
CONNECTIONS = 10
PART_BYTES = 8 * 1024 * 1024

LONGEST_LINK_SECONDS = 7 * 86_400
LONGEST_FILENAME = 100

_PASSING_STATUSES = (500, 502, 503, 504)
_PASSING_CODES = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"}
_BUCKET_IS_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_HINTS = {
    "InvalidAccessKeyId": "check S3_ACCESS_KEY",
    "SignatureDoesNotMatch": "check S3_SECRET_KEY",
    "AccessDenied": "check S3_ACCESS_KEY, S3_SECRET_KEY and what they may do",
    "NoSuchBucket": "check S3_BUCKET, or create it",
    "RequestTimeTooSkewed": "check this machine's clock",
}
_UNSAFE_IN_FILENAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|%;]+')
_HASH = re.compile("[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was written; `sha256` is of the content, in hex."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the server says about an object; `modified_at` is aware."""

    key: str
    size: int
    modified_at: datetime | None


def scorecard_key(org_id: UUID, session_id: UUID, content_hash: str) -> str:
    """Key of a scorecard. The same content has the same key; `content_hash` is lower-case hex."""
    if not _HASH.fullmatch(content_hash):
        raise ValueError("a content hash is 8 to 64 lower-case hexadecimal digits")
    return f"{org_id}/scorecards/{session_id}/{content_hash}.pdf"


def recording_key(org_id: UUID, session_id: UUID) -> str:
    """Key of a session's recording: known before it is there, so that deleting can name it."""
    return f"{org_id}/recordings/{session_id}"


def content_disposition(filename: str) -> str:
    """Header that downloads as `filename`, whatever is in it: RFC 6266, ASCII and RFC 5987 form."""
    name = _UNSAFE_IN_FILENAMES.sub(" ", filename.encode(errors="ignore").decode())
    name = " ".join(name.split()).strip(". ")
    stem, dot, extension = name.rpartition(".")
    if dot and len(extension) <= 8:
        name = stem[: LONGEST_FILENAME - len(extension) - 1].rstrip() + dot + extension
    name = name[:LONGEST_FILENAME] or "download"
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    ascii_name = folded if re.search(r"^[^.]*\w", folded) else f"download{folded.lstrip()}"
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"


class ObjectStorage:
    """One bucket. Safe to share between threads; connects on first use.

    `link_seconds` is how long presigned links are to live, by the settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.s3_bucket
        self._region = settings.s3_region
        self.link_seconds = settings.presigned_url_seconds
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            timeout=Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS),
            # The last answer is wanted, not MaxRetryError: it says why. A server's Retry-After
            # could be minutes; that wait belongs to the job, not to this thread.
            retries=Retry(
                total=RETRIES,
                backoff_factor=RETRY_BACKOFF_SECONDS,
                status_forcelist=_PASSING_STATUSES,
                raise_on_status=False,
                respect_retry_after_header=False,
            ),
        )
        self._ping_pool = urllib3.PoolManager(
            maxsize=1, timeout=Timeout(total=PING_TIMEOUT_SECONDS), retries=Retry(0)
        )
        self._client = _client(settings.s3_endpoint, settings, self._pool)
        self._ping_client = _client(settings.s3_endpoint, settings, self._ping_pool)
        # Signs only: the signature covers the host name, so it must be the one browsers use.
        self._link_client = _client(settings.presign_base_url, settings, self._pool)

    @classmethod
    def from_settings(cls, settings: Settings) -> "ObjectStorage":
        """The bucket of the settings. ValueError when an address is not one."""
        return cls(settings)

    def ensure_bucket(self) -> None:
        """Create the bucket unless it is there."""
        with _explained(f"create the bucket {self._bucket}"):
            if self._client.bucket_exists(self._bucket):
                return
            try:
                self._client.make_bucket(self._bucket, location=self._region)
            except S3Error as error:
                if error.code not in _BUCKET_IS_THERE:
                    raise

    def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """Store `data` under `key`, replacing what is there. Doing it twice changes nothing."""
        with _explained(f"store {key}"):
            self._client.put_object(
                self._bucket, key, BytesIO(data), length=len(data), content_type=content_type
            )
        return StoredObject(key=key, size=len(data), sha256=sha256(data).hexdigest())

    def put_file(self, key: str, path: Path, content_type: str) -> StoredObject:
        """Store the content of a file, however large, in parts; as `put` otherwise."""
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        with _explained(f"store {key}"):
            self._client.fput_object(
                self._bucket,
                key,
                str(path),
                content_type=content_type,
                part_size=PART_BYTES,
                # As many are held in memory.
                num_parallel_uploads=1,
            )
        return StoredObject(key=key, size=path.stat().st_size, sha256=digest)

    def get(self, key: str) -> bytes:
        """The content under `key`."""
        with _explained(f"read {key}"):
            response = self._client.get_object(self._bucket, key)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def stat(self, key: str) -> ObjectInfo:
        """Size and age of the object under `key`, without its content."""
        with _explained(f"look up {key}"):
            found = self._client.stat_object(self._bucket, key)
        return ObjectInfo(key=key, size=found.size or 0, modified_at=found.last_modified)

    def exists(self, key: str) -> bool:
        """Whether there is an object under `key`."""
        try:
            self.stat(key)
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove the object under `key`; a missing one is fine."""
        with _explained(f"delete {key}"):
            self._client.remove_object(self._bucket, key)

    def presigned_get(
        self, key: str, expires_seconds: int, filename: str, content_type: str
    ) -> str:
        """A link that downloads `key` as `filename` for `expires_seconds` (at most a week).

        Made for the address browsers use, without asking the server: a missing key gives a link
        that answers 404.
        """
        return str(
            self._link_client.presigned_get_object(
                self._bucket,
                key,
                expires=timedelta(seconds=min(max(expires_seconds, 1), LONGEST_LINK_SECONDS)),
                response_headers={
                    "response-content-type": content_type,
                    "response-content-disposition": content_disposition(filename),
                },
            )
        )

    def ping(self) -> None:
        """Return if the server answers, accepts the keys and has the bucket. Quick, no retries."""
        with _explained("reach the bucket"):
            there = self._ping_client.bucket_exists(self._bucket)
        if not there:
            raise Permanent(
                f"object storage has no bucket {self._bucket}: {_HINTS['NoSuchBucket']}"
            )

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()
        self._ping_pool.clear()


_storage: ObjectStorage | None = None


def init_object_storage(settings: Settings) -> ObjectStorage:
    """Set up the object storage of this process. Connects lazily."""
    global _storage  # noqa: PLW0603 - one per process, like the connection pool
    _storage = ObjectStorage(settings)
    return _storage


def object_storage() -> ObjectStorage:
    """The object storage of this process."""
    if _storage is None:
        raise RuntimeError("init_object_storage(settings) comes first")
    return _storage


def _client(url: str, settings: Settings, pool: urllib3.PoolManager) -> Minio:
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.netloc or address.path.strip("/"):
        raise ValueError(f"{url!r} is no S3 address: expected http(s)://host[:port] without a path")
    return Minio(
        endpoint=address.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=address.scheme == "https",
        # Given, so that no request asks the server for it first.
        region=settings.s3_region,
        http_client=pool,
    )


@contextmanager
def _explained(action: str) -> Iterator[None]:
    """Turn what minio and urllib3 raise into the three errors of this module."""
    try:
        yield
    except S3Error as error:
        if error.code == "NoSuchKey":
            raise NotFound("There is no stored object under this key.") from error
        if error.code in _PASSING_CODES or error.response.status in _PASSING_STATUSES:
            raise Retryable(f"object storage could not {action} now: {error.code}") from error
        hint = _HINTS.get(error.code or "", error.message or "see the server's log")
        raise Permanent(f"object storage refused to {action}: {error.code}; {hint}") from error
    except (ServerError, InvalidResponseError) as error:
        # A proxy's own page, or a server that is still starting.
        raise Retryable(f"object storage did not answer as S3 does, to {action}") from error
    except HTTPError as error:
        reason = type(getattr(error, "reason", None) or error).__name__
        raise Retryable(f"object storage is away, could not {action}: {reason}") from error
