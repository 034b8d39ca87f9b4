"""A worker that is killed in the middle of a download leaves its bytes to the next one."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from recording_probe import WAV, Recordings
from tests.support.foreign_server import ForeignServer
from tests.support.practice import Practice

from clozone.infra.object_storage import ObjectStorage
from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import ledger
from clozone.kit.ids import new_id
from clozone.models.operations import Job

HALF = len(WAV) // 2
ETAG = 'ETag: "one"'

# What a worker does, for one job and without a signal handler.
DOOMED = """
import sys
from uuid import UUID
from tests.support.one_job import OneJobRunner
import clozone.recordings.jobs
from clozone.infra.cache import init_cache
from clozone.infra.object_storage import init_object_storage
from clozone.infra.postgres import init_database
from clozone.infra.progress import init_progress
from clozone.jobs.delivery import init_delivery
from clozone.jobs.leases import Leases
from clozone.recordings.fetcher import init_recordings
from clozone.settings import load_settings

settings = load_settings()
for init in (
    init_database, init_delivery, init_cache, init_progress, init_object_storage, init_recordings
):
    init(settings)
OneJobRunner(settings, Leases("doomed", 60)).run(UUID(sys.argv[1]))
"""


class Storage:
    """Sends the first half and then nothing more, unless it is asked for the rest."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def __call__(self, request: bytes) -> Iterator[bytes]:
        wanted = re.search(rb"Range: bytes=(\d+)-", request)
        start = int(wanted[1]) if wanted else 0
        status = "206 Partial Content" if wanted else "200 OK"
        lines = [f"HTTP/1.1 {status}", ETAG, "Content-Type: audio/wav"]
        if wanted:
            lines.append(f"Content-Range: bytes {start}-{len(WAV) - 1}/{len(WAV)}")
        lines += [f"Content-Length: {len(WAV) - start}", "", ""]
        yield "\r\n".join(lines).encode()
        if wanted:
            yield WAV[start:]
            return
        yield WAV[:HALF]
        self.ended.wait(60)


def killed_half_way(job_id: UUID, environment: dict[str, str], part: Path) -> None:
    """Let another process run the job, and kill it once nearly half of the recording is there."""
    process = subprocess.Popen(
        [sys.executable, "-c", DOOMED, str(job_id)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ".", **environment},
        cwd=Path(__file__).parents[3],
    )
    try:
        deadline = time.monotonic() + 60
        # Whole chunks only are written.
        while not part.exists() or part.stat().st_size < HALF - 65_536:
            assert process.poll() is None
            assert time.monotonic() < deadline, "nothing came"
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()


def test_the_next_worker_goes_on_with_what_the_killed_one_had(
    recordings: Recordings,
    practice: Practice,
    storage: ObjectStorage,
    environment: dict[str, str],
    tmp_path: Path,
):
    with ForeignServer(behaviour := Storage()) as server:
        url = f"http://127.0.0.1:{server.port}/r.wav"
        session_id = recordings.waiting(practice, f"call-{new_id()}", url)
        job_id = recordings.order(practice, session_id)
        variables = {
            **environment,
            "CLOZONE_HOME": str(tmp_path),
            "RECORDING_HOSTS": "127.0.0.1",
            "RECORDING_ALLOWED_NETWORKS": "127.0.0.0/8",
            "RECORDING_ALLOW_HTTP": "true",
        }
        killed_half_way(job_id, variables, recordings.folder / f"{session_id}.part")
        behaviour.ended.set()
        with unit_of_work(Scope.platform()):
            job = Job.get_by_id(job_id)
            assert (job.state, job.attempt) == ("running", 1)
            Job.update(lease_expires_at=Job.created_at).where(Job.id == job_id).execute()
            assert ledger.reclaim_expired() >= 1

        assert recordings.try_once(job_id).state == "succeeded"

        first, second = server.requests
    assert b"Range:" not in first
    found = re.search(rb"Range: bytes=(\d+)-", second)
    assert found is not None
    assert HALF - 65_536 <= int(found[1]) <= HALF
    assert b'If-Range: "one"' in second
    session = recordings.session(session_id)
    assert session.recording_state == "stored"
    assert storage.get(session.recording_key) == WAV
