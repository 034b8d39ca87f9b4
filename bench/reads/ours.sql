-- psql -v sessions=100000 -f ours.sql: the people and the sessions of rival/data.sql, in our own tables.
-- The same draws of the same generator in the same order: the same sessions of the same people at the same times.
-- Half of the people are managers, who may see what the rival shows to anybody.
set session_replication_role = replica; -- the rows fit together by construction
select setseed(0.42);

insert into organizations (id, name, created_at)
select md5('org' || o)::uuid, 'Organisation ' || o, now() - interval '700 days' from generate_series(0, 49) o
union all select md5('orgbig')::uuid, 'Big organisation', now() - interval '700 days';

insert into profiles (id, org_id, email, full_name, role, active, created_at, updated_at)
select md5('user' || u)::uuid, md5('org' || u % 50)::uuid, 'user' || u || '@example.test', 'User ' || u,
       case when u / 50 % 2 = 0 then 'manager' else 'rep' end, true, moment, moment
from (select u, now() - random() * interval '700 days' moment from generate_series(0, 1999) u) x;
insert into profiles (id, org_id, email, full_name, role, active, created_at, updated_at)
select md5('big' || u)::uuid, md5('orgbig')::uuid, 'big' || u || '@example.test', 'Big ' || u, 'rep', true, moment, moment
from (select u, now() - random() * interval '700 days' moment from generate_series(0, 19999) u) x;

insert into templates (id, org, user_id, rubric_id, name, description, scenario, first_message, created_at, updated_at)
select md5('tpl' || t)::uuid, md5('org' || t % 50)::uuid, md5('user' || t % 2000)::uuid, md5('rubric' || t)::uuid,
       'Template ' || t, '', repeat(md5(t::text), 8), '', now(), now()
from generate_series(0, 999) t;
insert into rubrics (id, org_id, template_id, version, body, content_hash, created_at)
select md5('rubric' || t)::uuid, md5('org' || t % 50)::uuid, md5('tpl' || t)::uuid, 1,
       '{"pass_score": 70, "criteria": []}', '', now()
from generate_series(0, 999) t;
insert into assignments (id, org_id, template_id, user_id, created_by, title, instructions, created_at, updated_at)
select md5('a' || a)::uuid, md5('org' || a % 2000 % 50)::uuid, md5('tpl' || a % 2000 % 50)::uuid,
       md5('user' || a % 2000)::uuid, md5('user' || a % 2000 % 50)::uuid, 'Practise', '', now(), now()
from generate_series(0, 3999) a;

-- Built again below, when all rows are there.
create temporary table built_later as
select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
where indrelid in ('training_sessions'::regclass, 'session_grades'::regclass) and not indisprimary;
select format('drop index %s', name) from built_later \gexec

-- Each person practises with four of their organisation's twenty templates.
insert into training_sessions (id, org_id, user_id, template_id, assignment_id, rubric_id, vapi_call_id, status,
  started_at, ended_at, duration_seconds, transcript, metrics, closed, submitted_for_review, created_at, updated_at)
select md5('s' || i)::uuid, md5('org' || u % 50)::uuid, md5('user' || u)::uuid,
       md5('tpl' || t)::uuid, case when r1 < 0.6 then md5('a' || u + 2000 * (i % 2))::uuid end,
       md5('rubric' || t)::uuid, 'call_' || i,
       case when r2 < 0.70 then 'completed' when r2 < 0.85 then 'in_progress' else 'failed' end,
       moment, moment + d * interval '1 second', d,
       jsonb_build_array(jsonb_build_object('index', 0, 'speaker', 'rep', 'text', repeat(md5(i::text), 6))),
       case when r2 < 0.70 then metrics end,
       case when r2 < 0.70 then r1 < 0.35 end, r3 < 0.05, moment, moment
from (select *, u % 50 + 50 * ((u / 50 + i % 4) % 20) t, (60 + r3 * 1740)::int d, now() - r4 * interval '365 days' moment
      from (select i, (random() * 1999)::int u, random() r1, random() r2, random() r3, random() r4
            from generate_series(1, :sessions) i) x) y,
     (select '{"basis": "timestamps", "language": "en", "duration_seconds": null, "talk_ratio": 0.5,
       "longest_monologue_seconds": null, "questions": null, "question_rate_per_minute": null, "filler_words": null,
       "filler_rate_per_minute": null, "interactivity": null, "interruptions": null, "patience_seconds": null,
       "words_per_minute": null}'::jsonb metrics) m;
insert into session_grades (id, org_id, session_id, user_id, template_id, rubric_id, score, passed, blockers, criteria,
  evidence, summary, strengths, next_steps, better_lines, language, model, prompt_version, created_at, updated_at)
select md5('g' || id)::uuid, org_id, id, user_id, template_id, rubric_id, score, score >= 70, '[]', '[]', '{}',
       repeat('good point. ', 8), '[]', '[]', '[]', 'en', 'bench', 'bench', moment, moment
from (select *, (40 + 60 * random())::int score, created_at + interval '5 minutes' moment
      from training_sessions where status = 'completed') x;

select definition from built_later \gexec
