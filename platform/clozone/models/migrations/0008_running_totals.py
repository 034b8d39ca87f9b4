"""`daily_stats` holds running totals: everything up to and including a day, so a period is the
difference of two rows however many sessions it had.

The rows are made from the former ones, which hold the same per day: no session is read. Meanwhile
analytics are read as before; changes of sessions and of organisations wait, about ten seconds for
100,000 rows. Statements of the version before name `score_counts`, which is `score_totals` now, so
they fail instead of taking totals for days. `clozone analytics verify` tells whether what came out
equals a recount from the sessions.
"""

from typing import Any

SUMS = (
    "sessions",
    "graded",
    "passed",
    "not_gradable",
    "closed_won",
    "score_sum",
    "duration_ms",
    "talk_ratio_permille",
    "talk_ratio_sessions",
    "call_cost_microdollars",
)
PLACES = range(1, 102)
ALL = "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"
NONE = "'00000000-0000-0000-0000-000000000000'::uuid"
COLUMNS = f"org_id, user_id, template_id, day, {', '.join(SUMS)}, score_totals"


def each(text: str) -> str:
    """The text once for each sum, `%` standing for its name."""
    return ", ".join(text.replace("%", name) for name in SUMS)


def counts(text: str) -> str:
    """An array of the text for each score, `%` standing for the score's place."""
    return f"ARRAY[{', '.join(text.replace('%', str(place)) for place in PLACES)}]::integer[]"


# Of four grains: one person or ALL of them, by one template or ALL of them. A row stands for each
# day on which something of its grain changed. Rows of today are written again and again: the free
# space keeps the new versions on their page, so that no index is touched.
TABLE = f"""
CREATE TABLE daily_stats_new (
  org_id uuid NOT NULL REFERENCES organizations,
  user_id uuid NOT NULL,
  template_id uuid NOT NULL,
  day date NOT NULL,
  {each("% bigint NOT NULL")},
  score_totals integer[] NOT NULL,
  CONSTRAINT daily_stats_new_pkey PRIMARY KEY (org_id, user_id, template_id, day)
) WITH (fillfactor = 70);
ALTER TABLE daily_stats_new ALTER COLUMN score_totals SET STORAGE PLAIN;
"""

FILL = f"""
INSERT INTO daily_stats_new ({COLUMNS})
SELECT org_id, user_id, template_id, day, {each("sum(%) OVER up_to_day")},
  {counts("sum(n%) OVER up_to_day")}
FROM (SELECT org_id, coalesce(user_id, {ALL}) AS user_id, coalesce(template_id, {ALL})
    AS template_id, day, {each("sum(%) AS %")},
    {", ".join(f"sum(score_counts[{place}]) AS n{place}" for place in PLACES)}
  FROM daily_stats
  GROUP BY org_id, day, GROUPING SETS ((user_id, template_id), (user_id), (template_id), ())) d
WINDOW up_to_day AS (PARTITION BY org_id, user_id, template_id ORDER BY day)
"""  # noqa: S608 - constants only

PROTECT = """
ALTER TABLE daily_stats ENABLE ROW LEVEL SECURITY;
ALTER TABLE daily_stats FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON daily_stats TO clozone_tenant
  USING (org_id = nullif(current_setting('clozone.org_id', true), '')::uuid)
  WITH CHECK (org_id = nullif(current_setting('clozone.org_id', true), '')::uuid);
CREATE POLICY platform ON daily_stats TO clozone_platform USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON daily_stats TO clozone_tenant, clozone_platform;
"""

# Whoever writes an organisation's totals holds this until the end of the transaction.
LOCK = """
CREATE FUNCTION lock_daily_stats(org uuid) RETURNS void LANGUAGE sql AS $$
  SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(org::text, 7026311908))
$$;
"""

# Probes of the primary key, planned once: making a plan costs as much as using it.
PLANNING = """SET enable_seqscan = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET search_path = public, pg_temp"""

# What the transaction has changed waits in a setting of its own, so that rolling back to a savepoint
# takes back what was noted since. Gives the organisations whose totals changed. Statements after the
# lock see what others committed before it. Whoever waits keeps a connection from other organisations:
# a second at most.
ROLL_UP = f"""
CREATE FUNCTION roll_up() RETURNS SETOF uuid LANGUAGE plpgsql
{PLANNING} SET lock_timeout = '1s' AS $$
DECLARE
  noted CONSTANT jsonb :=
    '[' || nullif(current_setting('clozone.rollup_changes', true), '') || ']';
  nothing CONSTANT integer[] := array_fill(0, ARRAY[101]);
  org uuid;
  c record;
  score integer;
  scores integer[];
BEGIN
  -- In one order, so that two transactions that changed several organisations cannot block
  -- each other.
  FOR org IN SELECT DISTINCT n.org_id FROM jsonb_to_recordset(noted) AS n (org_id uuid) ORDER BY 1
  LOOP
    PERFORM lock_daily_stats(org);
    RETURN NEXT org;
  END LOOP;
  FOR c IN
    SELECT n.org_id, coalesce(n.user_id, {ALL}) AS user_id,
      coalesce(n.template_id, {ALL}) AS template_id, n.day, {each("sum(n.%)::bigint AS %")},
      array_agg(n.score_lost) FILTER (WHERE n.score_lost IS NOT NULL) AS lost,
      array_agg(n.score_won) FILTER (WHERE n.score_won IS NOT NULL) AS won
    FROM jsonb_to_recordset(noted) AS n (org_id uuid, user_id uuid, template_id uuid, day date,
      {each("% bigint")}, score_lost integer, score_won integer)
    GROUP BY n.org_id, n.day, GROUPING SETS
      ((n.user_id, n.template_id), (n.user_id), (n.template_id), ())
    ORDER BY n.day
  LOOP
    scores := nothing;
    FOREACH score IN ARRAY coalesce(c.lost, '{{}}') LOOP
      scores[score + 1] := scores[score + 1] - 1;
    END LOOP;
    FOREACH score IN ARRAY coalesce(c.won, '{{}}') LOOP
      scores[score + 1] := scores[score + 1] + 1;
    END LOOP;
    CONTINUE WHEN ({each("c.%")}) = ({each("0")}) AND scores = nothing;
    IF NOT EXISTS (SELECT FROM daily_stats d WHERE d.org_id = c.org_id AND d.user_id = c.user_id
        AND d.template_id = c.template_id AND d.day = c.day) THEN
      INSERT INTO daily_stats ({COLUMNS})
      SELECT c.org_id, c.user_id, c.template_id, c.day, {each("coalesce(d.%, 0)")},
        coalesce(d.score_totals, nothing)
      FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
        SELECT * FROM daily_stats d WHERE d.org_id = c.org_id AND d.user_id = c.user_id
          AND d.template_id = c.template_id AND d.day < c.day
        ORDER BY d.day DESC LIMIT 1) d ON true;
    END IF;
    UPDATE daily_stats d SET {each("% = d.% + c.%")},
      score_totals = {counts("d.score_totals[%] + scores[%]")}
    WHERE d.org_id = c.org_id AND d.user_id = c.user_id AND d.template_id = c.template_id
      AND d.day >= c.day;
  END LOOP;
  PERFORM set_config('clozone.rollup_changes', '', true);
END $$;
"""  # noqa: S608 - constants only

# Whoever is in an organisation's transaction already stays in it.
ENTER = """
  IF nullif(current_setting('clozone.org_id', true), '') <> org::text THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'this transaction belongs to another organisation than is asked for',
      HINT = 'Ask in a transaction of its own.';
  END IF;
  PERFORM set_config('role', 'clozone_tenant', true),
    set_config('clozone.org_id', org::text, true);"""
TOTALS = f"""{each("% bigint")}"""


def latest(who: str, what: str, day: str) -> str:
    """The totals of a grain at the end of a day: one probe of the primary key."""
    return f"""(
      SELECT d.* FROM daily_stats d WHERE d.org_id = org AND d.user_id = {who}
        AND d.template_id = {what} AND d.day {day} ORDER BY d.day DESC LIMIT 1)"""  # noqa: S608 - constants only


# The days of a period on which something changed; then, with `score_totals`, the totals at its end,
# before it, and before the period of the same length that precedes it. `person` may be ALL. One
# statement, so that the days add up to the totals while others commit.
REPORT = f"""
CREATE FUNCTION analytics_report(org uuid, person uuid, first_day date, last_day date)
RETURNS TABLE (day date, {TOTALS}, score_totals integer[]) LANGUAGE plpgsql ROWS 40
{PLANNING} AS $$
#variable_conflict use_column
BEGIN{ENTER}
  RETURN QUERY
    SELECT d.day, {each("d.%")}, NULL::integer[] FROM daily_stats d
    WHERE d.org_id = org AND d.user_id = person AND d.template_id = {ALL}
      AND d.day BETWEEN first_day AND last_day
    UNION ALL
    SELECT edge.day, {each("d.%")}, d.score_totals
    FROM (VALUES (last_day), (first_day - 1),
        (first_day - (last_day - first_day) - 2)) AS edge (day),
      LATERAL {latest("person", ALL, "<= edge.day")} d;
END $$;
"""  # noqa: S608 - constants only


def ranking(*, name: str, keys: str, ranked: str, parameters: str, grain: tuple[str, str]) -> str:
    """A function that ranks: the totals of a period, and the score counts at its end and before."""
    return f"""
CREATE FUNCTION {name}(org uuid, {parameters}first_day date, last_day date, most integer)
RETURNS TABLE ({keys}, {TOTALS}, score_totals integer[], score_totals_before integer[])
LANGUAGE plpgsql ROWS 30 {PLANNING} AS $$
#variable_conflict use_column
BEGIN{ENTER}
  RETURN QUERY
    SELECT nullif(x.id, {NONE}), x.name, {each("z.% - coalesce(a.%, 0)")}, z.score_totals, a.score_totals
    FROM ({ranked}) x
    CROSS JOIN LATERAL {latest(*grain, "BETWEEN first_day AND last_day")} z
    LEFT JOIN LATERAL {latest(*grain, "< first_day")} a ON true
    WHERE z.sessions > coalesce(a.sessions, 0)
    ORDER BY (z.score_sum - coalesce(a.score_sum, 0))::numeric
        / nullif(z.graded - coalesce(a.graded, 0), 0) DESC NULLS LAST,
      z.graded - coalesce(a.graded, 0) DESC, x.id
    LIMIT most;
END $$;
"""  # noqa: S608 - constants only


USERS = ranking(
    name="analytics_users",
    keys="user_id uuid, user_name text",
    ranked="SELECT p.id, p.full_name AS name FROM profiles p WHERE p.org_id = org",
    parameters="",
    grain=("x.id", ALL),
)
TEMPLATES = ranking(
    name="analytics_templates",
    keys="template_id uuid, template_name text",
    ranked=f"""SELECT t.id, t.name FROM templates t WHERE t.org = org
      UNION ALL SELECT {NONE}, NULL""",  # noqa: S608 - constants only
    parameters="person uuid, ",
    grain=("person", "x.id"),
)


EXECUTABLE = """
REVOKE EXECUTE ON FUNCTION lock_daily_stats, roll_up, analytics_report, analytics_users,
  analytics_templates FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_daily_stats, roll_up, analytics_report, analytics_users,
  analytics_templates TO clozone_tenant, clozone_platform;
"""
ROLE = "clozone_platform"


def up(migrator: Any, db: Any) -> None:
    """Make the new table beside the old one, and put it in its place at the end."""
    db.execute_sql("SET LOCAL statement_timeout = 0")
    # Writers wait from here on, readers for the moment of the exchange.
    db.execute_sql("LOCK TABLE daily_stats IN SHARE ROW EXCLUSIVE MODE")
    db.execute_sql(TABLE)
    _fill(db)
    db.execute_sql("DROP TABLE daily_stats")
    db.execute_sql("ALTER TABLE daily_stats_new RENAME TO daily_stats")
    db.execute_sql("ALTER INDEX daily_stats_new_pkey RENAME TO daily_stats_pkey")
    for statement in (PROTECT, LOCK, ROLL_UP, REPORT, USERS, TEMPLATES, EXECUTABLE):
        db.execute_sql(statement)


def _fill(db: Any) -> None:
    """Fill the new table as the role that sees every row: policies hold for the owner too, and
    suspending them would lock readers out until the end.
    """
    db.execute_sql(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    db.execute_sql(f"GRANT SELECT ON daily_stats TO {ROLE}")
    db.execute_sql(f"GRANT INSERT ON daily_stats_new TO {ROLE}")
    lacking = db.execute_sql(
        "SELECT 1 WHERE NOT pg_has_role(current_user, %s, 'SET')", (ROLE,)
    ).fetchone()
    if lacking:
        db.execute_sql(f"GRANT {ROLE} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE")
    db.execute_sql(f"SET LOCAL ROLE {ROLE}")
    db.execute_sql(FILL)
    db.execute_sql("SET LOCAL ROLE NONE")
    if lacking:
        db.execute_sql(f"REVOKE {ROLE} FROM CURRENT_USER")
