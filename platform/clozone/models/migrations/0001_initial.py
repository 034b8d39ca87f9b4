"""The first schema: accounts, training, the inbox, the ledger, the account book, the rollup."""

from typing import Any

TENANT_TABLES = {
    "organizations": "id",
    "profiles": "org_id",
    "refresh_tokens": "org_id",
    "api_keys": "org_id",
    "audit_log": "org_id",
    "templates": "org",
    "rubrics": "org_id",
    "assignments": "org_id",
    "training_sessions": "org_id",
    "session_grades": "org_id",
    "session_reviews": "org_id",
    "exports": "org_id",
    "webhook_events": "org_id",
    "jobs": "org_id",
    "job_attempts": "org_id",
    "llm_calls": "org_id",
    "llm_cache": "org_id",
    "budgets": "org_id",
    "budget_windows": "org_id",
    "daily_stats": "org_id",
}

SCHEMA = """
CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE profiles (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  email text NOT NULL,
  full_name text NOT NULL,
  role varchar(16) NOT NULL CHECK (role IN ('rep', 'manager', 'admin', 'operator')),
  password_hash text,
  external_subject text,
  active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  last_login_at timestamptz
);
CREATE UNIQUE INDEX profiles_email ON profiles (lower(email));
CREATE UNIQUE INDEX profiles_external_subject ON profiles (external_subject)
  WHERE external_subject IS NOT NULL;
CREATE INDEX profiles_org_created ON profiles (org_id, created_at DESC, id DESC);

CREATE TABLE refresh_tokens (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  user_id uuid NOT NULL REFERENCES profiles,
  family_id uuid NOT NULL,
  token_hash bytea NOT NULL UNIQUE,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_at);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  created_by uuid NOT NULL REFERENCES profiles,
  name text NOT NULL,
  prefix varchar(16) NOT NULL,
  key_hash bytea NOT NULL UNIQUE,
  role varchar(16) NOT NULL CHECK (role IN ('rep', 'manager', 'admin', 'operator')),
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX api_keys_org_created ON api_keys (org_id, created_at DESC, id DESC);

CREATE TABLE audit_log (
  id uuid PRIMARY KEY,
  org_id uuid REFERENCES organizations,
  actor_id uuid,
  actor_kind varchar(16) NOT NULL,
  action text NOT NULL,
  target_type text NOT NULL,
  target_id uuid,
  details jsonb NOT NULL,
  request_id text,
  address text,
  created_at timestamptz NOT NULL
);
CREATE INDEX audit_log_org_created ON audit_log (org_id, created_at DESC);

CREATE TABLE templates (
  id uuid PRIMARY KEY,
  org uuid NOT NULL REFERENCES organizations,
  user_id uuid NOT NULL REFERENCES profiles,
  rubric_id uuid NOT NULL,
  name text NOT NULL,
  description text NOT NULL,
  scenario text NOT NULL,
  first_message text NOT NULL,
  vapi_assistant_id text,
  archived_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX idx_templates_org_user ON templates (org, user_id);
CREATE INDEX templates_org_created ON templates (org, created_at DESC, id DESC);
CREATE INDEX templates_vapi_assistant ON templates (vapi_assistant_id)
  WHERE vapi_assistant_id IS NOT NULL;

CREATE TABLE rubrics (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  template_id uuid NOT NULL REFERENCES templates,
  version integer NOT NULL,
  body jsonb NOT NULL,
  content_hash bytea NOT NULL,
  created_at timestamptz NOT NULL,
  UNIQUE (template_id, version)
);
ALTER TABLE templates ADD CONSTRAINT templates_rubric FOREIGN KEY (rubric_id)
  REFERENCES rubrics DEFERRABLE INITIALLY DEFERRED;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' rows do not change: add a new one';
END $$;
CREATE TRIGGER rubrics_are_immutable BEFORE UPDATE ON rubrics
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_is_immutable BEFORE UPDATE OR DELETE ON audit_log
  FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE assignments (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  template_id uuid NOT NULL REFERENCES templates,
  user_id uuid NOT NULL REFERENCES profiles,
  created_by uuid NOT NULL REFERENCES profiles,
  title text NOT NULL,
  instructions text NOT NULL,
  due_at timestamptz,
  target_score smallint CHECK (target_score BETWEEN 0 AND 100),
  completed_at timestamptz,
  archived_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX assignments_org_created ON assignments (org_id, created_at DESC, id DESC);
CREATE INDEX assignments_user_created ON assignments (user_id, created_at DESC, id DESC);

CREATE TABLE training_sessions (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  user_id uuid NOT NULL REFERENCES profiles,
  template_id uuid REFERENCES templates,
  assignment_id uuid REFERENCES assignments,
  rubric_id uuid REFERENCES rubrics,
  scenario text,
  vapi_call_id text,
  status varchar(16) NOT NULL CHECK (status IN
    ('pending', 'in_progress', 'processing', 'completed', 'not_gradable', 'failed')),
  not_gradable_reason text,
  ended_reason text,
  started_at timestamptz,
  ended_at timestamptz,
  duration_seconds double precision,
  raw_transcript jsonb,
  transcript jsonb,
  metrics jsonb,
  call_summary text,
  call_cost_microdollars bigint,
  call_cost_breakdown jsonb,
  recording_url text,
  recording_url_expires_at timestamptz,
  recording_key text,
  closed boolean,
  submitted_for_review boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  deleted_at timestamptz
);
CREATE INDEX idx_training_sessions_org_id_created ON training_sessions (org_id, created_at DESC);
CREATE INDEX idx_training_sessions_user_id_created ON training_sessions (user_id, created_at DESC);
CREATE INDEX idx_training_sessions_assignment_id ON training_sessions (assignment_id)
  WHERE assignment_id IS NOT NULL;
CREATE INDEX idx_training_sessions_closed ON training_sessions (closed) WHERE closed IS NOT NULL;
CREATE INDEX idx_training_sessions_submitted ON training_sessions (submitted_for_review)
  WHERE submitted_for_review = true;
CREATE UNIQUE INDEX training_sessions_vapi_call ON training_sessions (vapi_call_id)
  WHERE vapi_call_id IS NOT NULL;

CREATE TABLE session_grades (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  session_id uuid NOT NULL REFERENCES training_sessions,
  user_id uuid NOT NULL REFERENCES profiles,
  template_id uuid NOT NULL REFERENCES templates,
  rubric_id uuid NOT NULL REFERENCES rubrics,
  score smallint NOT NULL CHECK (score BETWEEN 0 AND 100),
  passed boolean NOT NULL,
  blockers jsonb NOT NULL,
  criteria jsonb NOT NULL,
  evidence jsonb NOT NULL,
  summary text NOT NULL,
  strengths jsonb NOT NULL,
  next_steps jsonb NOT NULL,
  better_lines jsonb NOT NULL,
  language text NOT NULL,
  model text NOT NULL,
  prompt_version text NOT NULL,
  llm_call_id uuid,
  override_score smallint CHECK (override_score BETWEEN 0 AND 100),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX idx_session_grades_session_id ON session_grades (session_id);
CREATE INDEX idx_session_grades_user_id_created ON session_grades (user_id, created_at DESC);

CREATE TABLE session_reviews (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  session_id uuid NOT NULL REFERENCES training_sessions,
  reviewer_id uuid NOT NULL REFERENCES profiles,
  comment text NOT NULL,
  override_score smallint CHECK (override_score BETWEEN 0 AND 100),
  created_at timestamptz NOT NULL
);
CREATE INDEX session_reviews_session ON session_reviews (session_id, created_at DESC);

CREATE TABLE exports (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  session_id uuid NOT NULL REFERENCES training_sessions,
  kind varchar(32) NOT NULL,
  content_hash bytea NOT NULL,
  state varchar(16) NOT NULL CHECK (state IN ('queued', 'ready', 'failed')),
  object_key text,
  size_bytes bigint,
  error text,
  created_at timestamptz NOT NULL,
  ready_at timestamptz,
  UNIQUE (session_id, kind, content_hash)
);

CREATE TABLE webhook_events (
  id uuid PRIMARY KEY,
  org_id uuid REFERENCES organizations,
  provider varchar(16) NOT NULL,
  call_id text,
  message_type text NOT NULL,
  dedupe_key bytea NOT NULL UNIQUE,
  headers jsonb NOT NULL,
  body bytea NOT NULL,
  state varchar(16) NOT NULL CHECK (state IN ('received', 'processed', 'ignored', 'dead')),
  reason text,
  session_id uuid,
  deliveries integer NOT NULL,
  request_id text,
  received_at timestamptz NOT NULL,
  last_delivered_at timestamptz NOT NULL,
  processed_at timestamptz
);
CREATE INDEX webhook_events_received ON webhook_events (received_at DESC);
CREATE INDEX webhook_events_call ON webhook_events (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX webhook_events_session ON webhook_events (session_id) WHERE session_id IS NOT NULL;

CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  org_id uuid REFERENCES organizations,
  kind text NOT NULL,
  queue varchar(16) NOT NULL,
  payload jsonb NOT NULL,
  subject_id uuid,
  dedupe_key text,
  state varchar(16) NOT NULL CHECK (state IN
    ('queued', 'running', 'retrying', 'succeeded', 'dead', 'cancelled')),
  run_at timestamptz NOT NULL,
  dispatched_at timestamptz,
  attempt integer NOT NULL,
  failures integer NOT NULL,
  lost integer NOT NULL,
  max_attempts smallint NOT NULL,
  lease_owner text,
  lease_expires_at timestamptz,
  last_error text,
  error_fingerprint text,
  result jsonb,
  request_id text,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX jobs_dedupe ON jobs (org_id, dedupe_key) NULLS NOT DISTINCT
  WHERE dedupe_key IS NOT NULL AND state IN ('queued', 'running', 'retrying');
CREATE INDEX jobs_due ON jobs (run_at) WHERE state IN ('queued', 'retrying');
CREATE INDEX jobs_leases ON jobs (lease_expires_at) WHERE state = 'running';
CREATE INDEX jobs_subject ON jobs (subject_id, created_at) WHERE subject_id IS NOT NULL;

CREATE TABLE job_attempts (
  id uuid PRIMARY KEY,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  org_id uuid REFERENCES organizations,
  attempt integer NOT NULL,
  worker text NOT NULL,
  outcome varchar(16) NOT NULL CHECK (outcome IN
    ('running', 'succeeded', 'failed', 'lost', 'released', 'cancelled')),
  error text,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  UNIQUE (job_id, attempt)
);

CREATE TABLE llm_calls (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  session_id uuid,
  job_id uuid,
  purpose text NOT NULL,
  model text NOT NULL,
  state varchar(16) NOT NULL CHECK (state IN ('reserved', 'settled', 'failed', 'cached')),
  cache_key bytea NOT NULL,
  prompt_tokens integer,
  cached_tokens integer,
  completion_tokens integer,
  reasoning_tokens integer,
  price jsonb,
  reserved_microdollars bigint NOT NULL,
  budget_ids uuid[] NOT NULL,
  cost_microdollars bigint,
  latency_ms double precision,
  error text,
  request_id text,
  created_at timestamptz NOT NULL,
  settled_at timestamptz
);
CREATE INDEX llm_calls_org_created ON llm_calls (org_id, created_at DESC);
CREATE INDEX llm_calls_session ON llm_calls (session_id) WHERE session_id IS NOT NULL;
CREATE UNIQUE INDEX llm_calls_open ON llm_calls (org_id, cache_key) WHERE state = 'reserved';

CREATE TABLE llm_cache (
  org_id uuid NOT NULL REFERENCES organizations,
  cache_key bytea NOT NULL,
  llm_call_id uuid NOT NULL,
  model text NOT NULL,
  content text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, cache_key)
);

CREATE TABLE budgets (
  id uuid PRIMARY KEY,
  org_id uuid REFERENCES organizations,
  period varchar(8) NOT NULL CHECK (period IN ('day', 'month')),
  cap_microdollars bigint NOT NULL CHECK (cap_microdollars >= 0),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE NULLS NOT DISTINCT (org_id, period)
);

CREATE TABLE budget_windows (
  budget_id uuid NOT NULL REFERENCES budgets ON DELETE CASCADE,
  org_id uuid REFERENCES organizations,
  starts_on date NOT NULL,
  reserved_microdollars bigint NOT NULL CHECK (reserved_microdollars >= 0),
  spent_microdollars bigint NOT NULL CHECK (spent_microdollars >= 0),
  PRIMARY KEY (budget_id, starts_on)
);

CREATE TABLE price_overrides (
  id uuid PRIMARY KEY,
  model text NOT NULL,
  effective_from date NOT NULL,
  input_microdollars bigint NOT NULL,
  cached_input_microdollars bigint NOT NULL,
  output_microdollars bigint NOT NULL,
  created_at timestamptz NOT NULL,
  UNIQUE (model, effective_from)
);

CREATE TABLE daily_stats (
  org_id uuid NOT NULL REFERENCES organizations,
  day date NOT NULL,
  user_id uuid NOT NULL,
  template_id uuid NOT NULL,
  sessions integer NOT NULL,
  graded integer NOT NULL,
  passed integer NOT NULL,
  not_gradable integer NOT NULL,
  closed_won integer NOT NULL,
  score_sum bigint NOT NULL,
  score_counts integer[] NOT NULL,
  duration_ms bigint NOT NULL,
  talk_ratio_permille bigint NOT NULL,
  talk_ratio_sessions integer NOT NULL,
  call_cost_microdollars bigint NOT NULL,
  PRIMARY KEY (org_id, day, user_id, template_id)
);
"""


def up(migrator: Any, db: Any) -> None:
    """Create everything, and let each tenant see its own rows only."""
    db.execute_sql(SCHEMA)
    for table, column in TENANT_TABLES.items():
        db.execute_sql(f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant ON {table} TO clozone_tenant
              USING ({column} = nullif(current_setting('clozone.org_id', true), '')::uuid)
              WITH CHECK ({column} = nullif(current_setting('clozone.org_id', true), '')::uuid);
            CREATE POLICY platform ON {table} TO clozone_platform USING (true) WITH CHECK (true);
        """)
