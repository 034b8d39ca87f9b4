// BullMQ on ioredis, three attempts with exponential backoff. `tuned` looks for the stalled sooner.
const { Queue, Worker } = require('bullmq')
const Redis = require('ioredis')
const { Pool } = require('pg')

const env = process.env
const SLEEPS_MS = { insert: 0, nap: 10, slow: 300 }
const JOB_OPTIONS = { attempts: 3, backoff: { type: 'exponential', delay: 2000 } }
const TUNED = { lockDuration: 5000, stalledInterval: 5000 }
const INSERT = 'INSERT INTO bench_rows (run, i) VALUES ($1, $2)'
const connect = (url) => new (Redis.default || Redis)(url, { maxRetriesPerRequest: null })

async function fill(kind, first, jobs, batch) {
  const connection = connect(env.BENCH_BROKER_URL)
  const queue = new Queue('bench', { connection })
  await queue.waitUntilReady()
  const began = performance.now()
  for (let start = first; start < first + jobs; start += batch) {
    const size = Math.min(batch, first + jobs - start)
    const job = (i) => ({ name: 'job', data: { kind, i }, opts: JOB_OPTIONS })
    if (batch === 1) await queue.add('job', { kind, i: start }, JOB_OPTIONS)
    else await queue.addBulk(Array.from({ length: size }, (_, k) => job(start + k)))
  }
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000, at: Date.now() / 1000 }))
  await queue.close()
  connection.disconnect()
}

function work() {
  const marks = connect(env.BENCH_MARKS_URL)
  const rows = new Pool({ connectionString: env.BENCH_ROWS_URL, max: 8 })
  const handle = async ({ data: { kind, i } }) => {
    if (SLEEPS_MS[kind]) {
      await marks.rpush(`${env.BENCH_RUN}:begun`, `${i} ${Date.now() / 1000}`)
      await new Promise((wake) => setTimeout(wake, SLEEPS_MS[kind]))
    }
    await rows.query({ name: 'insert', text: INSERT, values: [env.BENCH_RUN, i] })
  }
  const options = { connection: connect(env.BENCH_BROKER_URL), concurrency: 8 }
  if (env.BENCH_VARIANT === 'tuned') Object.assign(options, TUNED)
  new Worker('bench', handle, options).on('error', (error) => console.error(error))
}

if (process.argv[2] === 'worker') work()
else fill(process.argv[2], +process.argv[3], +process.argv[4], +(process.argv[5] || 1000))
