"""What organisations' endpoints are told of scorecards: once, when the file is there."""

from typing import Any

from graded_calls import Team, delete, exports_of, make_graded_session

from clozone.exports import jobs
from clozone.infra.postgres import unit_of_work
from clozone.models.operations import Job


def told(team: Team) -> list[dict[str, Any]]:
    with unit_of_work(team.scope):
        rows = Job.select().where(Job.kind == "notifications.fan_out").order_by(Job.created_at)
        return [job.payload for job in rows]


def test_a_scorecard_is_told_of_once_it_is_stored(team, worker_here):
    session_id = make_graded_session(team)

    for _ in range(2):  # the second finds it there
        worker_here.render(team, session_id)

    (export,) = exports_of(team, session_id)
    assert told(team) == [
        {
            "type": "export.ready",
            "data": {
                "export_id": str(export.id),
                "session_id": str(session_id),
                "kind": "scorecard_pdf",
                "size_bytes": export.size_bytes,
                "url": f"/api/exports/{export.id}",
            },
        }
    ]


def test_a_scorecard_of_a_session_deleted_meanwhile_is_not_told_of(team, worker_here, monkeypatch):
    session_id = make_graded_session(team)
    render = jobs.render_scorecard

    def slow(card):
        delete(team, session_id)
        return render(card)

    monkeypatch.setattr(jobs, "render_scorecard", slow)
    worker_here.render(team, session_id)

    assert told(team) == []
