"""A real worker with one kind of job, whose handler never comes back.

`python -m tests.support.hanging_worker`. Patience is short; nothing else is changed.
"""

import sys
import threading

from clozone import worker
from clozone.jobs import kinds, leases
from clozone.jobs.kinds import Kind, Queue
from clozone.settings import load_settings

KIND = Kind("test.hang", Queue.bulk, timeout_seconds=0.5)


if __name__ == "__main__":
    kinds.KINDS[KIND.name] = KIND
    kinds.job(KIND.name)(lambda _job: threading.Event().wait())
    leases.STUCK_AFTER_SECONDS = 0.5
    worker.HANDLERS = ()
    worker.HEARTBEAT_SECONDS = 0.2
    sys.exit(worker.run_worker(load_settings()))
