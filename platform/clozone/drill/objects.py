"""The object store, read from outside."""

from minio import Minio

from clozone.drill.target import Target


class Objects:
    """The platform's bucket."""

    def __init__(self, target: Target) -> None:
        keys = target.plan.keys
        self._bucket = target.setting("S3_BUCKET")
        self._client = Minio(
            endpoint=target.plan.address("s3"),
            access_key=keys.s3_access_key,
            secret_key=keys.s3_secret_key,
            secure=False,
            region=target.setting("S3_REGION"),
        )

    def under(self, prefix: str) -> dict[str, int]:
        """Key and size in bytes of every object whose key begins with `prefix`."""
        found = self._client.list_objects(self._bucket, prefix=prefix, recursive=True)
        return {str(item.object_name): int(item.size or 0) for item in found}

    def read(self, key: str) -> bytes:
        """The content of an object."""
        response = self._client.get_object(self._bucket, key)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()
