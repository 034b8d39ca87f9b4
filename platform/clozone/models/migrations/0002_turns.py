"""Jobs are taken in turns: priorities, controls, cancelling, timeouts, recurring work."""

from typing import Any

# Policies hold for the owner too, and none lets it see a row.
EVERY_ROW = """
ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE job_attempts NO FORCE ROW LEVEL SECURITY;
"""

SCHEMA = """
ALTER TABLE jobs DROP CONSTRAINT jobs_state_check;
ALTER TABLE jobs
  ADD CONSTRAINT jobs_state_check CHECK (state IN
    ('scheduled', 'queued', 'running', 'retrying', 'succeeded', 'dead', 'cancelled')),
  DROP COLUMN dispatched_at,
  ADD COLUMN priority smallint NOT NULL DEFAULT 0,
  -- The organisation in whose turn the job is taken: a job of the platform may be for one. Those
  -- for none form one more.
  ADD COLUMN turn_of uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  ADD COLUMN claimed_at timestamptz,
  ADD COLUMN cancel_requested_at timestamptz,
  ADD COLUMN cancel_reason text,
  ADD COLUMN progress jsonb;
UPDATE jobs SET turn_of = org_id WHERE org_id IS NOT NULL;
-- Rows change hands within milliseconds: let vacuum follow before the index fills with the dead.
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.1);

DROP INDEX jobs_due;
DROP INDEX jobs_dedupe;
CREATE INDEX jobs_turn ON jobs (kind, turn_of, priority DESC, run_at, id) WHERE state = 'queued';
CREATE INDEX jobs_due ON jobs (run_at) WHERE state IN ('scheduled', 'retrying');
CREATE UNIQUE INDEX jobs_dedupe ON jobs (org_id, dedupe_key) NULLS NOT DISTINCT
  WHERE dedupe_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'retrying');
CREATE INDEX jobs_finished ON jobs (state, finished_at) WHERE finished_at IS NOT NULL;

-- A try is written once, when it ends; the one that runs is on the job's own row.
ALTER TABLE job_attempts DROP COLUMN id, DROP CONSTRAINT job_attempts_job_id_attempt_key,
  DROP CONSTRAINT job_attempts_outcome_check,
  ADD CONSTRAINT job_attempts_outcome_check CHECK (outcome IN
    ('succeeded', 'failed', 'lost', 'released', 'cancelled')),
  ADD PRIMARY KEY (job_id, attempt);

-- What an operator says about 'all' jobs, a queue or a kind.
CREATE TABLE job_controls (
  name text PRIMARY KEY,
  paused boolean NOT NULL DEFAULT false,
  max_running integer CHECK (max_running > 0),
  reason text,
  updated_at timestamptz NOT NULL
);

CREATE TABLE recurring_jobs (
  name text PRIMARY KEY,
  next_at timestamptz NOT NULL
);
"""

# Jobs of the former version: what runs has begun, and what waits for its time is not queued.
CARRY_OVER = """
UPDATE jobs SET claimed_at = coalesce(started_at, created_at) WHERE state = 'running';
UPDATE jobs SET state = 'scheduled' WHERE state = 'queued' AND run_at > now();
ALTER TABLE jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE job_attempts FORCE ROW LEVEL SECURITY;
"""

PLATFORM_ONLY = ("job_controls", "recurring_jobs")

# One turn: the next organisation after `after_org` that has a job whose kind may run; of its jobs
# the best, and up to the kind's turn of the same kind. Costs a few index probes, however many wait.
# A function, so that limits are counted after the lock is held and it all is one round trip.
CLAIM_TURN = """
CREATE FUNCTION claim_turn(wanted_queue text, kinds text[], turns integer[], limits integer[],
  after_org uuid, worker text, lease interval)
RETURNS SETOF jobs LANGUAGE plpgsql
-- A session keeps the plans it made while little waited, until the table is analysed again.
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
  open_kinds text[];
  open_turns integer[];
  open_limits integer[];
  room integer;
  org uuid := after_org;
  wrapped boolean := false;
  chosen_kind text;
  chosen_turn integer;
BEGIN
  PERFORM set_config('role', 'clozone_platform', true);
  IF EXISTS (SELECT FROM job_controls WHERE name IN ('all', wanted_queue) AND paused) THEN
    RETURN;
  END IF;
  SELECT array_agg(k.kind), array_agg(k.turn), array_agg(coalesce(c.max_running, k.max_running))
    INTO open_kinds, open_turns, open_limits
    FROM unnest(kinds, turns, limits) AS k (kind, turn, max_running)
    LEFT JOIN job_controls c ON c.name = k.kind
    WHERE c.paused IS NOT TRUE;
  IF EXISTS (SELECT FROM unnest(open_limits) AS l WHERE l IS NOT NULL)
      OR EXISTS (SELECT FROM job_controls
                 WHERE name IN ('all', wanted_queue) AND max_running IS NOT NULL) THEN
    -- Whoever counts holds the lock until what he takes is committed, so limits are exact.
    PERFORM pg_advisory_xact_lock(7026311906);
    SELECT least(
        (SELECT max_running FROM job_controls WHERE name = 'all')
          - count(*),
        (SELECT max_running FROM job_controls WHERE name = wanted_queue)
          - count(*) FILTER (WHERE queue = wanted_queue))
      INTO room FROM jobs WHERE state = 'running';
    SELECT array_agg(k.kind), array_agg(least(k.turn, k.max_running - coalesce(r.running, 0), room))
      INTO open_kinds, open_turns
      FROM unnest(open_kinds, open_turns, open_limits) AS k (kind, turn, max_running)
      LEFT JOIN (SELECT kind, count(*)::integer AS running FROM jobs
                 WHERE state = 'running' GROUP BY kind) r ON r.kind = k.kind
      WHERE coalesce(least(k.max_running - coalesce(r.running, 0), room), 1) > 0;
  END IF;
  IF open_kinds IS NULL THEN
    RETURN;
  END IF;
  FOR tried IN 1..20 LOOP
    -- Two probes, of which one is made: `org IS NULL OR …` would be no condition of the index once
    -- the session keeps its plan, and every claim would read all that waits.
    SELECT next.turn_of INTO org FROM unnest(open_kinds) AS k (kind), LATERAL (
      (SELECT j.turn_of FROM jobs j
       WHERE j.kind = k.kind AND j.state = 'queued' AND org IS NULL
       ORDER BY j.turn_of LIMIT 1)
      UNION ALL
      (SELECT j.turn_of FROM jobs j
       WHERE j.kind = k.kind AND j.state = 'queued' AND j.turn_of > org
       ORDER BY j.turn_of LIMIT 1)) next
      ORDER BY next.turn_of LIMIT 1;
    IF org IS NULL THEN
      EXIT WHEN wrapped;
      wrapped := true;
      CONTINUE;
    END IF;
    FOR chosen_kind, chosen_turn IN
      SELECT k.kind, k.turn FROM unnest(open_kinds, open_turns) AS k (kind, turn), LATERAL (
        SELECT j.priority, j.run_at, j.id FROM jobs j
        WHERE j.kind = k.kind AND j.turn_of = org AND j.state = 'queued'
        ORDER BY j.priority DESC, j.run_at, j.id LIMIT 1) head
      ORDER BY head.priority DESC, head.run_at, head.id
    LOOP
      RETURN QUERY
        UPDATE jobs j SET state = 'running', attempt = attempt + 1, lease_owner = worker,
          lease_expires_at = clock_timestamp() + lease, claimed_at = clock_timestamp(),
          started_at = coalesce(started_at, clock_timestamp()), progress = NULL
        -- An array, since a kept plan may join by reading the whole table.
        WHERE j.id = ANY (ARRAY(
          SELECT best.id FROM jobs best
          WHERE best.kind = chosen_kind AND best.turn_of = org AND best.state = 'queued'
          ORDER BY best.priority DESC, best.run_at, best.id LIMIT chosen_turn
          FOR UPDATE SKIP LOCKED))
        RETURNING j.*;
      IF FOUND THEN
        RETURN;
      END IF;
      -- Others are just taking what there is of this kind: the next kind, or the next organisation.
    END LOOP;
  END LOOP;
END $$;
"""


def up(migrator: Any, db: Any) -> None:
    """Change the ledger; add the controls and the function that takes a turn."""
    db.execute_sql(EVERY_ROW)
    db.execute_sql("DELETE FROM job_attempts WHERE outcome = 'running'")
    db.execute_sql(SCHEMA)
    db.execute_sql(CARRY_OVER)
    for table in PLATFORM_ONLY:
        db.execute_sql(f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY platform ON {table} TO clozone_platform USING (true) WITH CHECK (true);
        """)
    db.execute_sql(CLAIM_TURN)
