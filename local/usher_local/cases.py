"""
The sample events of the demo, in the order in which they are sent, and what must become of each.

The dates of the event files belong to `WRITTEN_AT`; the demo moves them by whole days, to the last such hour that is
over.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from usher.domain.hire import Result
from usher.domain.invitation import Origin, State

WRITTEN_AT = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)

ATLASSIAN, SENTRY, LABS = "atlassian-main", "sentry-main", "sentry-labs"


@dataclass(frozen=True)
class Ending:
    """What a row must say in the end; `mails` is how many mails the provider sent to the person because of it."""

    state: State
    mails: int = 0
    origin: Origin | None = None
    says: str = ""
    later: bool = False


@dataclass(frozen=True)
class Case:
    """One sample event: its file, the way it comes in, and what must become of it."""

    title: str
    file: str
    way: str
    hire: str
    rows: dict[str, Ending] = field(default_factory=dict)
    result: Result = Result.ROWS
    is_parked: bool = False
    awaited: bool = False
    """The next event only makes sense after this one."""
    completed_by: str | None = None
    """Who the hire is in the other system that tells of it here."""
    batched: bool = False
    """Invited to Atlassian in one request with the others of the batch."""

    @property
    def is_known(self) -> bool:
        """Whether it could be read, so that it belongs to a hire."""
        return not self.hire.startswith("intake/")


MAILED = Ending(State.INVITED, mails=1, origin=Origin.US)
BOTH = {ATLASSIAN: MAILED, SENTRY: MAILED}

CASES = (
    # Awaited so that the functions are warm for all that follow: a cold one for each would cost more than it.
    Case("an ordinary hire", "canonical/hired.json", "webhook canonical", "canonical/E-1001", BOTH, awaited=True),
    Case("the same event again", "canonical/hired.json", "queue", "canonical/E-1001", BOTH),
    Case(
        "a member of Sentry already",
        "canonical/already_member.json",
        "queue",
        "canonical/E-1002",
        {ATLASSIAN: MAILED, SENTRY: Ending(State.ALREADY_MEMBER, origin=Origin.ELSEWHERE)},
    ),
    Case(
        "invited to Sentry by somebody else",
        "canonical/pending_invite.json",
        "queue",
        "canonical/E-1003",
        {ATLASSIAN: MAILED, SENTRY: Ending(State.INVITED, origin=Origin.ELSEWHERE)},
    ),
    Case(
        "only an id: BambooHR is asked", "hr_webhook/bamboohr_created.json", "webhook bamboohr", "bamboohr/1042", BOTH
    ),
    Case(
        "only an id: Personio, with a token",
        "hr_webhook/personio_created.json",
        "webhook personio",
        "personio/9000123",
        BOTH,
    ),
    Case(
        "a new account in a directory",
        "demo/okta_hired.json",
        "webhook okta",
        "okta/00u0example0000000043",
        BOTH,
    ),
    Case(
        "a body that the customer built",
        "demo/workday_hired.json",
        "webhook workday",
        "workday/0021509",
        BOTH,
    ),
    Case(
        "an applicant: no work address yet",
        "demo/greenhouse_applicant.json",
        "webhook greenhouse",
        "greenhouse/46190002",
        BOTH,
        awaited=True,
    ),
    Case(
        "the same person, now an employee",
        "demo/bamboohr_applicant.json",
        "webhook bamboohr",
        "greenhouse/46190002",
        BOTH,
        completed_by="bamboohr/1043",
    ),
    Case(
        "another applicant without address",
        "hr_webhook/greenhouse_hired.json",
        "webhook greenhouse",
        "greenhouse/46190001",
        BOTH,
        awaited=True,
    ),
    Case(
        "their address, by an event of ours",
        "canonical/greenhouse_completed.json",
        "queue",
        "greenhouse/46190001",
        BOTH,
    ),
    Case(
        "a personal address",
        "canonical/personal_address.json",
        "queue",
        "canonical/E-1006",
        result=Result.INVALID,
        is_parked=True,
    ),
    Case(
        "starts in six weeks",
        "canonical/starts_in_six_weeks.json",
        "queue",
        "canonical/E-1004",
        {ATLASSIAN: Ending(State.PENDING, later=True), SENTRY: Ending(State.PENDING, later=True)},
    ),
    Case(
        "hired, starts in six weeks",
        "canonical/hired_then_cancelled.json",
        "queue",
        "canonical/E-1005",
        {ATLASSIAN: Ending(State.CANCELLED), SENTRY: Ending(State.CANCELLED)},
        result=Result.CANCELLED,
        awaited=True,
    ),
    Case(
        "and taken back",
        "canonical/cancelled.json",
        "webhook canonical",
        "canonical/E-1005",
        {ATLASSIAN: Ending(State.CANCELLED), SENTRY: Ending(State.CANCELLED)},
        result=Result.CANCELLED,
    ),
    Case(
        "refused by Atlassian, in a batch",
        "canonical/refused.json",
        "queue",
        "canonical/E-1008",
        {ATLASSIAN: Ending(State.REJECTED), SENTRY: MAILED},
        batched=True,
    ),
    Case(
        "half a success, in the same batch",
        "canonical/half_success.json",
        "queue",
        "canonical/E-1009",
        BOTH,
        batched=True,
    ),
    Case(
        "Sentry fails after it has mailed",
        "canonical/mailed_then_failed.json",
        "queue",
        "canonical/E-1010",
        {ATLASSIAN: MAILED, SENTRY: Ending(State.INVITED, mails=1, says="asking the provider")},
        batched=True,
    ),
    Case(
        "a connection in plan mode",
        "canonical/researcher.json",
        "queue",
        "canonical/E-1007",
        {LABS: Ending(State.PLANNED)},
    ),
    Case("an event that nobody can read", "unreadable.txt", "queue", "intake/None", is_parked=True),
    Case("nobody's rule", "canonical/no_rule.json", "queue", "canonical/E-1011", result=Result.NO_RULE),
)
