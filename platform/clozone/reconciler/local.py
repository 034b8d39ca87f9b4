"""Our own rows against each other and against the object storage; asks nobody outside.

The queries need the platform's scope and change nothing. Whatever is younger than GRACE is still
on its way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clozone.exports.service import RENDER_SCORECARD
from clozone.infra.postgres import database
from clozone.kit.clock import now
from clozone.reconciler.findings import Finding, Kind, Recording
from clozone.recordings.fetcher import EXPIRED
from clozone.recordings.service import KEY_REFUSED, UNREACHABLE
from clozone.sessions.recording import DEDUPE_PREFIX, FETCH

GRACE = timedelta(minutes=2)
MOST = 1_000

# A step that failed for such a reason may succeed now. The others failed for a reason of their own,
# or cost money with each try.
PASSING = ("InterfaceError", "MaxConnectionsExceeded", "ModelBusy", "OperationalError", "Retryable")
# So often a step may have been given up, and then is not begun again: it fails each time.
MOST_DEAD = 2
# A recording's source may be away, or the key refused, for hours.
MOST_DEAD_FETCHES = 8

_LIVE = "('scheduled', 'queued', 'running', 'retrying')"
_STEPS = "('sessions.clean_transcript', 'grading.grade_session')"

_EVENTS = f"""
SELECT e.id FROM webhook_events e
WHERE e.state = 'received' AND e.received_at < %(before)s AND NOT EXISTS (
  SELECT FROM jobs j WHERE j.subject_id = e.id AND j.state IN {_LIVE})
  AND (SELECT count(*) FROM jobs j WHERE j.subject_id = e.id AND j.state = 'dead'
    AND j.created_at >= e.last_delivered_at) < {MOST_DEAD}
ORDER BY e.received_at LIMIT {MOST}
"""  # noqa: S608 - constants only

_STALLED = f"""
SELECT s.id FROM training_sessions s
WHERE s.status = 'processing' AND s.deleted_at IS NULL AND s.updated_at < %(before)s
  AND NOT EXISTS (
    SELECT FROM jobs j WHERE j.subject_id = s.id AND j.kind IN {_STEPS} AND j.state IN {_LIVE})
  AND (SELECT j.state FROM jobs j WHERE j.subject_id = s.id AND j.kind IN {_STEPS}
    ORDER BY j.created_at DESC, j.id DESC LIMIT 1) IS DISTINCT FROM 'cancelled'
  AND (SELECT count(*) FROM jobs j
       WHERE j.subject_id = s.id AND j.kind IN {_STEPS} AND j.state = 'dead') < {MOST_DEAD}
ORDER BY s.created_at LIMIT {MOST}
"""  # noqa: S608 - constants only

_FAILED = f"""
SELECT s.id FROM training_sessions s JOIN LATERAL (
  SELECT j.state, j.last_error FROM jobs j WHERE j.subject_id = s.id AND j.kind IN {_STEPS}
  ORDER BY j.created_at DESC, j.id DESC LIMIT 1) last ON true
WHERE s.status = 'failed' AND s.deleted_at IS NULL
  AND s.updated_at >= %(since)s AND s.updated_at < %(before)s
  AND last.state = 'dead' AND split_part(last.last_error, ':', 1) = ANY(%(passing)s)
  AND (SELECT count(*) FROM jobs j
       WHERE j.subject_id = s.id AND j.kind IN {_STEPS} AND j.state = 'dead') < {MOST_DEAD}
ORDER BY s.created_at LIMIT {MOST}
"""  # noqa: S608 - constants only

_SCORECARDS = f"""
WITH changed AS (
  SELECT session_id FROM session_grades WHERE updated_at >= %(since)s
  UNION SELECT session_id FROM session_reviews WHERE created_at >= %(since)s)
SELECT s.id, CASE WHEN e.state = 'ready' THEN e.object_key END
FROM changed JOIN training_sessions s ON s.id = changed.session_id
JOIN session_grades g ON g.session_id = s.id
CROSS JOIN LATERAL (
  SELECT greatest(g.updated_at, max(r.created_at)) AS changed_at
  FROM session_reviews r WHERE r.session_id = s.id) content
LEFT JOIN LATERAL (
  SELECT state, object_key FROM exports WHERE session_id = s.id AND kind = 'scorecard_pdf'
  ORDER BY created_at DESC, id DESC LIMIT 1) e ON true
WHERE s.status = 'completed' AND s.deleted_at IS NULL
  AND s.updated_at < %(before)s
  AND NOT EXISTS (SELECT FROM jobs j WHERE j.subject_id = s.id AND j.kind = '{RENDER_SCORECARD}'
    AND j.state IN {_LIVE})
  AND (SELECT count(*) FROM jobs j WHERE j.subject_id = s.id AND j.kind = '{RENDER_SCORECARD}'
    AND j.state = 'dead' AND j.created_at >= content.changed_at) < {MOST_DEAD}
ORDER BY g.updated_at DESC LIMIT {MOST}
"""  # noqa: S608 - constants only

_RECORDINGS = f"""
WITH given_up AS (
  SELECT payload ->> 'session_id' AS session_id FROM jobs WHERE kind = '{FETCH}' AND state = 'dead'
  GROUP BY 1 HAVING count(*) >= {MOST_DEAD_FETCHES})
SELECT s.id, CASE WHEN s.recording_state = 'stored' THEN s.recording_key END, s.recording_state
FROM training_sessions s
WHERE s.deleted_at IS NULL AND s.created_at >= %(since)s AND s.updated_at < %(before)s
  AND s.status NOT IN ('pending', 'in_progress')
  AND (s.recording_state IN ('waiting', 'stored')
    OR s.recording_state = 'none' AND s.recording_url IS NOT NULL
    OR s.recording_state = 'failed' AND split_part(s.recording_error, ':', 1) = ANY(%(again)s))
  AND NOT EXISTS (SELECT FROM jobs j WHERE j.org_id = s.org_id
    AND j.dedupe_key = '{DEDUPE_PREFIX}' || s.id AND j.state IN {_LIVE})
  AND s.id::text NOT IN (SELECT session_id FROM given_up)
ORDER BY s.created_at DESC LIMIT {MOST}
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that is amiss unless `object_key`, if there is one, is in the object storage."""

    finding: Finding
    object_key: str | None = None


def stalled(since: datetime) -> Iterator[Finding]:
    """What waits for a job that does not come, and what failed for a reason that may have passed."""
    for kind, statement in (
        (Kind.event_waiting, _EVENTS),
        (Kind.grading_stalled, _STALLED),
        (Kind.grading_failed, _FAILED),
    ):
        for (row_id,) in _rows(statement, {"since": since, "passing": list(PASSING)}):
            yield Finding(kind, row_id)


def scorecards(since: datetime) -> list[Suspect]:
    """Graded sessions whose present scorecard is not ready, or may be lost."""
    return [
        Suspect(Finding(Kind.scorecard_missing, session_id), object_key)
        for session_id, object_key in _rows(_SCORECARDS, {"since": since})
    ]


def recordings(since: datetime, *, with_key: bool) -> list[Suspect]:
    """Sessions whose recording is not on its way, or may be lost.

    Those that failed count again if the reason may have passed; of some only a key of Vapi's helps.
    """
    again = [UNREACHABLE, EXPIRED, KEY_REFUSED] if with_key else [UNREACHABLE]
    parameters = {"since": since, "again": again}
    return [
        Suspect(Finding(Kind.recording_missing, session_id, recording=Recording(state)), object_key)
        for session_id, object_key, state in _rows(_RECORDINGS, parameters)
    ]


def _rows(statement: str, parameters: dict[str, object]) -> list[tuple[Any, ...]]:
    cursor = database.execute_sql(statement, parameters | {"before": now() - GRACE})
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
