"""Procrastinate, whose queue is in PostgreSQL. `recipe` adds the stalled-job task of its docs."""

import asyncio
import json
import os
import sys
import time

import bodies
import procrastinate

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_LEDGER_URL"], max_size=10)
)


@app.task(name="job", retry=3)
async def job(kind: str, i: int) -> None:
    """One job."""
    await bodies.async_body(kind, i)


if bodies.VARIANT == "recipe":

    @app.periodic(cron="* * * * *")
    @app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
    async def retry_stalled_jobs(context: procrastinate.JobContext, timestamp: int) -> None:
        """Take up again what a dead worker held."""
        for stalled in await app.job_manager.get_stalled_jobs():
            await app.job_manager.retry_job(stalled)


async def work() -> None:
    """Run jobs until a signal."""
    async with app.open_async():
        await app.run_worker_async(concurrency=8, install_signal_handlers=True)


async def fill(kind: str, first: int, jobs: int, batch: int) -> float:
    """Enqueue in batches; the seconds it took. Makes the schema if it is not there."""
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        began = time.monotonic()
        for start in range(first, first + jobs, batch):
            numbers = range(start, min(first + jobs, start + batch))
            if batch == 1:
                await job.defer_async(kind=kind, i=start)
            else:
                await job.batch_defer_async(*({"kind": kind, "i": i} for i in numbers))
        return time.monotonic() - began


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        asyncio.run(work())
    else:
        size = int(sys.argv[4]) if len(sys.argv) > 4 else 1_000
        took = asyncio.run(fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), size))
        print(json.dumps({"seconds": took, "at": time.time()}))
