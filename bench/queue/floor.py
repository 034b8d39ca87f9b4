"""No queue at all: threads that each commit one row a transaction. What the server itself allows.

python -m bench.queue.floor JOBS
"""

import os
import sys
import threading

import psycopg

THREADS = 8
INSERT = "INSERT INTO bench_rows (run, i) VALUES (%s, %s)"


def main(jobs: int) -> None:
    """Write rows 0 to `jobs`."""
    run, url = os.environ["BENCH_RUN"], os.environ["BENCH_ROWS_URL"]

    def write(numbers: range) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for i in numbers:
                connection.execute(INSERT, (run, i))

    threads = [
        threading.Thread(target=write, args=(range(place, jobs, THREADS),))
        for place in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]))
