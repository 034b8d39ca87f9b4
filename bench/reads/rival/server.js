// The stack that the seed's scaling guide recommends, as the guide writes it: Express, express-rate-limit, ioredis cache, pg,
// a BullMQ queue object. The same file as the project's baseline measurements used, but for the password of the Redis server.
const express = require('express')
const { rateLimit } = require('express-rate-limit')
const Redis = require('ioredis')
const { Queue } = require('bullmq')
const { Pool } = require('pg')

const env = process.env
const redis = new (Redis.default || Redis)({ port: +env.BENCH_REDIS_PORT, host: '127.0.0.1', password: env.BENCH_REDIS_PASSWORD, db: +(env.BENCH_DB || 60), maxRetriesPerRequest: null })
const queue = new Queue('session-processing', { connection: redis })
const pool = new Pool({ connectionString: env.BENCH_PG_DSN }) // node-postgres default: 10 connections
let queries = 0
const sql = (text, values) => { queries++; return pool.query(text, values) }

const app = express()
app.use('/api/', rateLimit({
  windowMs: 15 * 60 * 1000, max: +(env.RATE_MAX || 100), // the seed's 100; a measurement raises it
  message: 'Too many requests from this IP, please try again later.', standardHeaders: true, legacyHeaders: false,
}))

async function getCachedAnalytics(orgId, period) {
  const cached = await redis.get(`analytics:${orgId}:${period}`)
  if (cached) return JSON.parse(cached)
  return null
}
const setCachedAnalytics = (orgId, period, data, ttl = 120) => redis.setex(`analytics:${orgId}:${period}`, ttl, JSON.stringify(data))

const round = (x, d = 2) => (x == null || Number.isNaN(x) ? null : +(+x).toFixed(d))

// As the seed: filter in the database, fetch the rows, aggregate in JS.
async function inJs(orgId, start) {
  const { rows } = await sql(`select s.id, s.user_id, s.status, s.duration_seconds, s.closed, s.created_at, g.score
    from training_sessions s left join session_grades g on g.session_id = s.id
    where s.org_id = $1 and s.status = 'completed' and s.created_at >= $2`, [orgId, start])
  const days = new Map(), users = new Map()
  let dur = 0, closed = 0, score = 0, graded = 0
  for (const r of rows) {
    dur += r.duration_seconds
    if (r.closed) closed++
    const s = r.score == null ? null : +r.score
    if (s != null) { score += s; graded++ }
    const k = r.created_at.toISOString().slice(0, 10)
    const d = days.get(k) || { day: k, sessions: 0, dur: 0, score: 0, graded: 0 }
    d.sessions++; d.dur += r.duration_seconds
    if (s != null) { d.score += s; d.graded++ }
    days.set(k, d)
    const u = users.get(r.user_id) || { user_id: r.user_id, sessions: 0, score: 0, graded: 0 }
    u.sessions++
    if (s != null) { u.score += s; u.graded++ }
    users.set(r.user_id, u)
  }
  const n = rows.length
  return {
    completed: n, avg_duration: round(dur / n), close_rate: round(closed / n, 4), avg_score: round(score / graded),
    by_day: [...days.values()].sort((a, b) => (a.day < b.day ? -1 : 1)).map((d) => ({ day: d.day, sessions: d.sessions, avg_duration: round(d.dur / d.sessions), avg_score: round(d.score / d.graded) })),
    top_users: [...users.values()].sort((a, b) => b.sessions - a.sessions || (a.user_id < b.user_id ? -1 : 1)).slice(0, 10).map((u) => ({ user_id: u.user_id, sessions: u.sessions, avg_score: round(u.score / u.graded) })),
  }
}

// The stronger form of the same: one statement aggregates in the database.
async function inSql(orgId, start) {
  const { rows } = await sql(`with f as materialized (
      select s.user_id, s.duration_seconds d, s.closed, (s.created_at at time zone 'utc')::date as day, g.score
      from training_sessions s left join session_grades g on g.session_id = s.id
      where s.org_id = $1 and s.status = 'completed' and s.created_at >= $2)
    select (select json_build_object('completed', count(*), 'avg_duration', round(avg(d), 2),
              'close_rate', round(avg(case when closed then 1 else 0 end), 4), 'avg_score', round(avg(score), 2)) from f) as head,
           (select json_agg(x order by x.day) from (select day, count(*) sessions, round(avg(d), 2) avg_duration, round(avg(score), 2) avg_score from f group by day) x) as by_day,
           (select json_agg(x) from (select user_id, count(*) sessions, round(avg(score), 2) avg_score from f group by 1 order by 2 desc, 1 limit 10) x) as top_users`, [orgId, start])
  return { ...rows[0].head, by_day: rows[0].by_day || [], top_users: rows[0].top_users || [] }
}

app.get('/api/health', (req, res) => res.json({ status: 'ok', timestamp: new Date().toISOString() }))

app.get('/api/analytics', async (req, res) => {
  const { org_id: orgId, period = '30d', nocache, agg } = req.query
  if (!nocache) {
    const cached = await getCachedAnalytics(orgId, period)
    if (cached) return res.json(cached)
  }
  const start = new Date(Date.now() - parseInt(period, 10) * 86400e3).toISOString()
  const result = { org_id: orgId, period, ...(await (agg === 'sql' ? inSql : inJs)(orgId, start)) }
  if (!nocache) await setCachedAnalytics(orgId, period, result, 120)
  res.json(result)
})

app.get('/api/users', async (req, res) => {
  const page = +(req.query.page || 0), pageSize = +(req.query.page_size || 20)
  // .range(page * pageSize, (page + 1) * pageSize - 1): no ORDER BY and no index on profiles(org_id), as the seed
  const { rows } = await sql('select * from profiles where org_id = $1 limit $2 offset $3', [req.query.org_id, pageSize, page * pageSize])
  res.json({ users: rows, page, page_size: pageSize })
})

app.get('/debug', (req, res) => res.json({ queries, rss_mib: Math.round(process.memoryUsage().rss / 2 ** 20) }))
app.listen(+env.PORT, '127.0.0.1', 511, () => console.log('listening'))
