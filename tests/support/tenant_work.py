"""The work of an organisation: templates, a graded session, and what the platform noted about it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from tests.support.practice import CRITERION

from clozone.infra.object_storage import scorecard_key
from clozone.kit.clock import now
from clozone.kit.pagination import Position, encode_cursor
from clozone.models import operations
from clozone.models.notifications import (
    NotificationAttempt,
    NotificationDelivery,
    NotificationEndpoint,
)
from clozone.models.training import (
    Assignment,
    Export,
    Rubric,
    SessionGrade,
    SessionReview,
    Template,
    TrainingSession,
)
from clozone.sessions.transcript import Turn
from clozone.web.identity import Role

if TYPE_CHECKING:
    from tests.support.tenant import Tenant

LISTS = (
    "api-keys",
    "assignments",
    "exports",
    "notification-deliveries",
    "notification-endpoints",
    "sessions",
    "templates",
    "users",
)


def add_training(tenant: "Tenant") -> None:
    """A template with its rubric, and an assignment of it to the rep."""
    tenant.note("template", "rubric")
    Template.create(
        id=tenant.id("template"),
        org_id=tenant.org_id,
        user_id=tenant.people[Role.manager],
        rubric_id=tenant.id("rubric"),
        name=tenant.marker,
        description=tenant.marker,
        scenario=tenant.marker,
        first_message=tenant.marker,
    )
    criterion = {"key": "opening", "name": "Opening", "kind": "yes_no", "weight": 100}
    Rubric.create(
        id=tenant.id("rubric"),
        org_id=tenant.org_id,
        template_id=tenant.id("template"),
        version=1,
        body={"pass_score": 70, "criteria": [criterion]},
        content_hash=b"",
    )
    tenant.add(
        "assignment",
        Assignment,
        template_id=tenant.id("template"),
        user_id=tenant.people[Role.rep],
        created_by=tenant.people[Role.manager],
        title=tenant.marker,
        instructions=tenant.marker,
    )


def add_session(tenant: "Tenant") -> None:
    """The rep's session with grade, review and scorecard; cursors that stand at its place."""
    session: TrainingSession = tenant.add(
        "session",
        TrainingSession,
        user_id=tenant.people[Role.rep],
        template_id=tenant.id("template"),
        assignment_id=tenant.id("assignment"),
        rubric_id=tenant.id("rubric"),
        vapi_call_id=tenant.marker,
        transcript=[asdict(Turn(0, "rep", tenant.marker, 0.5, 4.0))],
        call_summary=tenant.marker,
        duration_seconds=61.5,
        submitted_for_review=True,
        recording_state="stored",
        recording_key=f"{tenant.org_id}/recordings/{tenant.marker}",
        recording_bytes=1,
        recording_content_type="audio/wav",
    )
    about = {"session_id": session.id, "user_id": session.user_id}
    tenant.add(
        "grade",
        SessionGrade,
        **about,
        template_id=session.template_id,
        rubric_id=session.rubric_id,
        score=80,
        passed=True,
        criteria=[CRITERION],
        evidence={},
        summary=tenant.marker,
        model="offline-rules",
        prompt_version="1",
    )
    tenant.add(
        "review",
        SessionReview,
        session_id=session.id,
        reviewer_id=tenant.people[Role.manager],
        comment=tenant.marker,
    )
    tenant.add(
        "export",
        Export,
        session_id=session.id,
        content_hash=b"1",
        state="ready",
        object_key=scorecard_key(tenant.org_id, session.id, "31" * 32),
        size_bytes=1,
        ready_at=now(),
    )
    position = Position(session.created_at, session.id)
    tenant.facts |= {f"{name}_cursor": encode_cursor(position, name) for name in LISTS}


def add_operations(tenant: "Tenant") -> None:
    """What is left of work that ended: job, delivery, model call, budget."""
    session_id = tenant.id("session")
    unique = tenant.org_id.bytes
    tenant.add(
        "job",
        operations.Job,
        kind="grading.grade_session",
        queue="llm",
        payload={"session_id": str(session_id)},
        subject_id=session_id,
        state="succeeded",
        attempt=1,
    )
    tenant.add(
        "event",
        operations.WebhookEvent,
        call_id=tenant.marker,
        message_type="status-update",
        dedupe_key=unique,
        body=tenant.marker.encode(),
        state="processed",
        session_id=session_id,
    )
    tenant.add(
        "llm_call",
        operations.LlmCall,
        session_id=session_id,
        purpose="grade",
        model="offline-rules",
        state="settled",
        cache_key=unique,
    )
    tenant.add("budget", operations.Budget, period="month", cap_microdollars=10**12)
    for table, values in (
        (
            operations.JobAttempt,
            {
                "job_id": tenant.id("job"),
                "attempt": 1,
                "worker": tenant.marker,
                "outcome": "succeeded",
            },
        ),
        (operations.BudgetWindow, {"budget_id": tenant.id("budget"), "starts_on": now().date()}),
        (
            operations.LlmCacheEntry,
            {
                "cache_key": unique,
                "llm_call_id": tenant.id("llm_call"),
                "model": "offline-rules",
                "content": tenant.marker,
            },
        ),
    ):
        table.insert(org_id=tenant.org_id, **values).execute()


def add_notifications(tenant: "Tenant") -> None:
    """An endpoint at which one message has arrived."""
    tenant.add(
        "endpoint",
        NotificationEndpoint,
        url=f"https://hooks.{tenant.marker}.example/".lower(),
        description=tenant.marker,
        events=["session.graded"],
        secret=f"whsec_{tenant.marker}",
        created_by=tenant.people[Role.admin],
    )
    tenant.add(
        "delivery",
        NotificationDelivery,
        endpoint_id=tenant.id("endpoint"),
        message_id=f"msg_{tenant.marker}",
        type="session.graded",
        body=f'{{"type": "session.graded", "data": {{"word": "{tenant.marker}"}}}}',
        state="delivered",
        finished_at=now(),
    )
    tenant.add(
        "delivery_attempt",
        NotificationAttempt,
        delivery_id=tenant.id("delivery"),
        series=1,
        outcome="delivered",
        http_status=200,
        response=tenant.marker,
        finished_at=now(),
    )
