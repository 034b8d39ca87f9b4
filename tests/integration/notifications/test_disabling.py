"""When an endpoint is disabled by what it answers, and what becomes of its messages."""

from office import Office
from tests.support.notification_receiver import Receiver, Reply

from clozone.kit.clock import now
from clozone.notifications.circuit import LONGEST_FAILING

FAILING = Reply(500)


def test_gone_disables_the_endpoint_and_ends_all_that_is_on_its_way(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.then(FAILING, Reply(410))

    office.tell("session.graded")
    office.run()
    office.tell("session.reviewed")
    office.run()
    office.later()

    endpoint = office.shown(endpoint_id)
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "gone")
    assert endpoint.disabled_at is not None
    assert [delivery.state for delivery in office.deliveries()] == ["failed", "failed"]
    assert {job.state for job in office.jobs()} == {"succeeded"}
    assert len(inbox.received) == 2

    office.tell()
    office.run()
    assert len(inbox.received) == 2


def test_days_of_nothing_but_failures_disable_the_endpoint(office: Office, inbox: Receiver) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.always(FAILING)
    office.tell_and_run()
    office.change(endpoint_id, failing_since=now() - LONGEST_FAILING)

    office.later()

    endpoint = office.shown(endpoint_id)
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "failing")
    assert office.delivery().state == "failed"
    assert office.job().state == "succeeded"


def test_a_failure_after_a_long_silence_is_not_taken_for_days_of_failures(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.always(FAILING)
    office.tell_and_run()
    long_ago = now() - 2 * LONGEST_FAILING
    office.change(endpoint_id, failing_since=long_ago, failed_at=long_ago)

    office.later()

    endpoint = office.shown(endpoint_id)
    assert (endpoint.enabled, endpoint.failures) == (True, 1)


def test_what_was_added_while_its_endpoint_was_being_disabled_ends(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    office.tell()
    office.run_one(office.jobs()[0].id)
    office.change(endpoint_id, enabled=False, disabled_reason="requested")

    office.run()

    delivery = office.delivery()
    assert (delivery.state, delivery.error) == ("failed", "the endpoint was disabled")
    assert inbox.received == []


def test_one_success_and_the_days_are_counted_anew(office: Office, inbox: Receiver) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.then(FAILING)
    office.tell_and_run()
    assert office.shown(endpoint_id).failing_since is not None

    office.later()

    endpoint = office.shown(endpoint_id)
    assert (endpoint.failures, endpoint.failing_since, endpoint.open_until) == (0, None, None)
