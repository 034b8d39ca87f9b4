"""A runner for tests that say which job runs when; a real worker takes whose turn it is."""

from uuid import UUID

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs.leases import Leases
from clozone.jobs.ledger import Claim
from clozone.jobs.runner import Runner
from clozone.settings import Settings

_CLAIM = """
UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_owner = %(worker)s,
  lease_expires_at = now() + interval '1 minute', claimed_at = now(),
  started_at = coalesce(started_at, now())
WHERE id = %(id)s AND state IN ('scheduled', 'queued', 'retrying')
  AND run_at <= now() + interval '1 second'
RETURNING id, org_id, turn_of, kind, queue, payload, subject_id, attempt, failures, lost,
  max_attempts, request_id, cancel_requested_at IS NOT NULL
"""


class OneJobRunner(Runner):
    """Runs jobs by their ids, out of turn."""

    def __init__(self, settings: Settings, leases: Leases) -> None:
        super().__init__(settings, leases)
        self._worker = leases.worker

    def run(self, job_id: UUID) -> None:
        """Run a job if it is due and nobody has it."""
        with unit_of_work(Scope.platform()):
            row = database.execute_sql(_CLAIM, {"id": job_id, "worker": self._worker}).fetchone()
        if row is not None:
            self.perform([Claim(*row)])
