"""What a line of work is known by, from the request through its jobs to the model call.

Set at the edge (a request, a job), read by the logs and by whatever the work starts. Context
variables follow a request into its tasks and, through `offload`, into its threads.
"""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
org_id: ContextVar[str | None] = ContextVar("org_id", default=None)


def current_request_id() -> str | None:
    """The id of the request that caused this work, or None outside of one."""
    return request_id.get()
