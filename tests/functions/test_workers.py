"""The handlers behind the queues and the schedule, on the files in events/, over in-memory ports."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.use_cases.world import World, a_hire
from usher import bootstrap
from usher.domain.errors import DetailsUnavailable, StoreUnavailable, UsherError
from usher.domain.hire import HireKey
from usher.domain.invitation import InvitationKey, State
from usher.domain.notice import Notice, NoticeState
from usher.use_cases.intake import read_intake
from usher.use_cases.look_after_feeds import Fed

ROOT = Path(__file__).parents[2]
SENDERS = dict.fromkeys(("AROAEXAMPLEHRSYSTEM", "AIDAEXAMPLEEVENTBRIDGE", "AIDAEXAMPLESNS"), ("canonical",))


class MemoryStack:
    """What `bootstrap.stack` gives, over one world in memory."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.environment = SimpleNamespace(notice_queue_url="https://sqs.example/123456789012/NoticeQueue")

    @property
    def plan_invites(self) -> Any:
        """The planner."""
        return self.world.plan

    @property
    def send_invites(self) -> Any:
        """The sender."""
        return self.world.sender

    @property
    def sweep(self) -> Any:
        """The tick."""
        return self.world.sweep

    def read_intake(self, body: str, message_id: str, sender_id: str) -> Notice:
        """Read a message in the name of its sender."""
        return read_intake(body, message_id, sender_id, SENDERS, self.world.clock.now())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> World:
    """A stack in memory, in the place of the deployed one."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Usher")
    # A logger keeps the output that it was made with; one of each test's own sees what the test captures.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.name)
    world = World()
    stack = MemoryStack(world)
    monkeypatch.setattr(bootstrap, "stack", lambda: stack)
    return world


def handle(function: str, case: str) -> Any:
    """Run a function's handler on one of its event files."""
    spec = importlib.util.spec_from_file_location(f"{function}_handler", ROOT / "functions" / function / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    event = json.loads((ROOT / "events" / function / f"{case}.json").read_text(encoding="utf-8"))
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, function_name=function)
    return module.lambda_handler(event, context)


NOTHING_FAILED: dict[str, list[dict[str, str]]] = {"batchItemFailures": []}


@pytest.mark.parametrize("case", ["bare", "cloudevents", "cloudevents_base64", "eventbridge", "sns", "sns_cloudevents"])
def test_an_event_in_any_envelope_becomes_a_row(world: World, case: str) -> None:
    """Bare, CloudEvents, EventBridge or SNS: the same hire."""
    assert handle("plan_invites", case) == NOTHING_FAILED
    assert [row.state for row in world.rows("E-1042")] == [State.PENDING]


@pytest.mark.parametrize(
    ("case", "field"),
    [
        ("invalid", "version"),
        ("invalid_json", "body"),
        ("foreign_sender", "source"),
        ("foreign_source", "source"),
        ("future_schema", "schema"),
    ],
)
def test_what_cannot_be_used_is_parked_and_never_comes_again(world: World, case: str, field: str) -> None:
    """With its reasons, and without looping to the dead letters."""
    assert handle("plan_invites", case) == NOTHING_FAILED
    (notice_id,) = world.store.notices_in_state(NoticeState.PARKED, 10)
    record = world.store.notice(notice_id)
    assert record is not None
    assert any(field in problem.field for problem in record.problems), record.problems


def test_a_personal_address_is_parked(world: World) -> None:
    """The domain is not the company's."""
    assert handle("plan_invites", "personal_address") == NOTHING_FAILED
    assert len(world.store.notices_in_state(NoticeState.PARKED, 10)) == 1


def test_a_message_of_the_intake_queue_is_never_taken_for_one_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verified notice counts only where only the webhook may send."""
    stack = bootstrap.stack()
    monkeypatch.setattr(stack.environment, "notice_queue_url", "https://sqs.example/123456789012/Another")

    assert handle("plan_invites", "webhook_notice") == NOTHING_FAILED
    assert len(world.store.notices_in_state(NoticeState.PARKED, 10)) == 1


def test_a_table_that_does_not_answer_lets_the_message_come_again(world: World) -> None:
    """Nothing was written, so nothing may be acknowledged."""

    def down(key: HireKey) -> None:
        raise StoreUnavailable("down")

    world.store.hire = down  # type: ignore[assignment, method-assign]
    answer = handle("plan_invites", "bare")
    assert answer == {"batchItemFailures": [{"itemIdentifier": "059f36b4-87a3-44ab-83d2-661975000001"}]}


def test_a_fault_of_ours_sends_one_message_back_and_logs_nobody(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its type and place are logged; its text may repeat what belongs to a person."""

    def fault(key: HireKey) -> None:
        raise ValueError("noor.haddad@example.com")

    world.store.hire = fault  # type: ignore[assignment, method-assign]
    answer = handle("plan_invites", "bare")
    assert len(answer["batchItemFailures"]) == 1
    logged = capsys.readouterr().out
    assert "ValueError" in logged
    assert "noor" not in logged.lower()


def test_a_wake_up_of_planning_takes_up_notices_and_hires(world: World) -> None:
    """Those that do not exist, or wait no longer, are old news."""
    assert handle("plan_invites", "wake_up") == NOTHING_FAILED


def test_a_wake_up_sends_the_rows_it_names_once(world: World) -> None:
    """Named twice, and one of them unknown."""
    world.says(a_hire("E-1042"))

    assert handle("send_invites", "wake_up") == NOTHING_FAILED
    assert world.row("E-1042").state is State.INVITED
    assert world.provider.mails == ["e-1042@example.com"]


def test_a_wake_up_that_cannot_be_read_is_dropped_and_harms_no_other(world: World) -> None:
    """The sweep wakes every due row anyway."""
    world.says(a_hire("E-1042"))

    assert handle("send_invites", "unreadable") == NOTHING_FAILED
    assert world.row("E-1042").state is State.INVITED


def test_wake_ups_come_again_when_the_table_cannot_be_read(world: World) -> None:
    """All of the batch: none was worked on."""

    def down(keys: object) -> dict[InvitationKey, object]:
        raise StoreUnavailable("down")

    world.store.invitations = down  # type: ignore[assignment, method-assign]
    answer = handle("send_invites", "wake_up")
    assert len(answer["batchItemFailures"]) == 2


def test_a_fault_of_the_sender_sends_its_messages_back_and_logs_nobody(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The runtime would log the text of an exception."""

    def fault(keys: object) -> dict[InvitationKey, object]:
        raise ValueError("noor.haddad@example.com")

    world.store.invitations = fault  # type: ignore[assignment, method-assign]
    answer = handle("send_invites", "wake_up")
    assert len(answer["batchItemFailures"]) == 2
    logged = capsys.readouterr().out
    assert "ValueError" in logged
    assert "noor" not in logged.lower()


def test_a_tick_wakes_what_is_due_and_says_how_much(world: World) -> None:
    """For the log and the metric."""
    world.says(a_hire("E-1042"))
    world.queues.woken.clear()

    assert handle("sweep", "tick")["rows"] == 1
    assert world.queues.woken == [("sentry", [world.row("E-1042").key])]


class Feeds:
    """The daily look at a feed, which lists two hires, or none."""

    def __init__(self, fault: UsherError | None = None) -> None:
        self.fault = fault

    def is_silent(self, source: str) -> bool | None:
        """Call every feed silent."""
        return bool(source)

    def feed(self, source: str) -> Fed:
        """Feed one of two."""
        if self.fault is not None:
            raise self.fault
        return Fed(listed=2, fed=len(source[:1]))


def test_a_feed_is_looked_after_once_a_day(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sweep names the feeds, and a planner looks."""
    monkeypatch.setattr(bootstrap, "sweep", lambda: replace(world.sweep, feeds=("personio",)))
    assert handle("sweep", "look_after_feeds") == {"feeds": 1}
    assert world.queues.feeds_woken == ["personio"]

    monkeypatch.setattr(bootstrap, "look_after_feeds", Feeds)
    assert handle("plan_invites", "feeds") == NOTHING_FAILED
    told = capsys.readouterr().out
    assert '"silent_feeds": [1.0]' in told or '"silent_feeds":[1.0]' in told
    assert "announcements_missed" in told


def test_a_feed_that_cannot_be_listed_says_all_the_same_that_it_is_silent(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Key and webhook may have died together; the message does not come again, but tomorrow's does."""
    assert world.queues.feeds_woken == []
    monkeypatch.setattr(bootstrap, "look_after_feeds", lambda: Feeds(DetailsUnavailable("401")))
    assert handle("plan_invites", "feeds") == NOTHING_FAILED
    told = capsys.readouterr().out
    assert "silent_feeds" in told
    assert "feeds_not_listed" in told
    assert "a feed could not be looked after" in told


def test_what_the_handlers_log_names_nobody(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids and counts; no address, no name."""
    handle("plan_invites", "bare")
    handle("send_invites", "wake_up")
    handle("plan_invites", "invalid")
    logged = capsys.readouterr().out

    assert "planned" in logged
    for word in ("noor", "haddad", "@example", "token-1"):
        assert word not in logged.lower()
