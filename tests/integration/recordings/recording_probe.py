"""Recordings in the hands of a test: sessions that wait for one, and the job, run here."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support.one_job import OneJobRunner
from tests.support.practice import Practice

import clozone.recordings.jobs  # noqa: F401 - attaches the handler
from clozone.infra.object_storage import ObjectStorage
from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.jobs.leases import Leases
from clozone.kit.clock import now
from clozone.models.operations import Job
from clozone.models.training import TrainingSession
from clozone.recordings.fetcher import init_recordings
from clozone.settings import Settings

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 2_000


class Recordings:
    """Fetching, step by step: nothing runs before the test says so."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder: Path = settings.clozone_home / "recordings"
        self.configure()
        self._runner = OneJobRunner(settings, Leases("recordings-test", settings.job_lease_seconds))

    def configure(self, **changes: Any) -> None:
        """Fetch by the settings with these changes from now on."""
        init_recordings(Settings(**(self._settings.model_dump() | changes)))

    def waiting(self, practice: Practice, call_id: str, url: str | None, **fields: Any) -> UUID:
        """A session that waits for its recording."""
        session_id = practice.session()
        practice.change(
            session_id,
            **{
                "vapi_call_id": call_id,
                "recording_url": url,
                "recording_url_expires_at": now() + timedelta(minutes=55),
                "recording_state": "waiting",
                **fields,
            },
        )
        return session_id

    def order(self, practice: Practice, session_id: UUID) -> UUID:
        """Add the job; its id."""
        with unit_of_work(practice.scope):
            return enqueue("recordings.fetch", {"session_id": str(session_id)})

    def try_once(self, job_id: UUID) -> Job:
        """Run the job now, due or not; its row afterwards."""
        with unit_of_work(Scope.platform()):
            Job.update(run_at=Job.created_at).where(Job.id == job_id).execute()
        self._runner.run(job_id)
        with unit_of_work(Scope.platform()):
            job: Job = Job.get_by_id(job_id)
            return job

    def fetch(self, practice: Practice, session_id: UUID) -> Job:
        """Order the recording and run the job once."""
        return self.try_once(self.order(practice, session_id))

    def session(self, session_id: UUID) -> TrainingSession:
        """A session as stored."""
        with unit_of_work(Scope.platform()):
            session: TrainingSession = TrainingSession.get_by_id(session_id)
            return session

    def direct_link(self, key: str, filename: str, content_type: str) -> str:
        """A link to the storage itself, without nginx before it."""
        direct = self._settings.model_copy(update={"s3_public_url": self._settings.s3_endpoint})
        return ObjectStorage(direct).presigned_get(key, 60, filename, content_type)

    def files(self) -> list[str]:
        """What lies in the folder of partial recordings."""
        return sorted(path.name for path in self.folder.glob("*"))
