"""Judges what a campaign left behind: the rows, what the providers have, and every mail that they sent."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.processes.hires import (
    ATLASSIAN,
    GROUP,
    ORGANIZATION,
    RESOURCE,
    ROLE,
    SENTRY,
    SLUG,
    SOURCE,
    TEAM,
    Hired,
    Kind,
)
from usher.domain.hire import HireKey, Result
from usher.domain.invitation import LIVE, Invitation, Origin, State
from usher.domain.notice import NoticeState
from usher.domain.planning import HireFile
from usher.ports import Store
from usher_local.simulators.atlassian import Atlassian
from usher_local.simulators.sentry import Sentry

MOST_LISTED = 100_000


@dataclass(frozen=True)
class Truth:
    """What one provider has and did: whom, with every part of the grant or not, and how many mails went to whom."""

    complete: Mapping[str, bool]
    mails: Counter[str]


@dataclass
class Verdict:
    """Everything that is wrong, and how the rows ended."""

    problems: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Verdict") -> None:
        """Take over what another one says."""
        self.problems += other.problems
        self.states += other.states
        self.origins += other.origins


def truths(atlassian: Atlassian, sentry: Sentry) -> dict[str, Truth]:
    """Read the simulators."""
    people: list[Any] = atlassian.state()[ORGANIZATION]
    members: list[Any] = sentry.state()[SLUG]
    return {
        ATLASSIAN: Truth(
            {one["email"]: ROLE in one["roles"].get(RESOURCE, []) and GROUP in one["groups"] for one in people},
            Counter(mail.address for mail in atlassian.mails),
        ),
        SENTRY: Truth(
            {one["email"].lower(): TEAM in one["teams"] for one in members},
            Counter(mail.address for mail in sentry.mails),
        ),
    }


def is_quiet(store: Store, people: Sequence[Hired]) -> bool:
    """Say whether nothing is live, and every hire is known."""
    live = any(store.rows_in_state(state, 1) for state in LIVE)
    return not live and all(store.hire(HireKey(SOURCE, hired.hire_id)).record is not None for hired in people)


def judge(store: Store, people: Sequence[Hired], truth: Mapping[str, Truth]) -> Verdict:
    """Compare rows and providers, person by person."""
    verdict = Verdict()
    parked = len(store.notices_in_state(NoticeState.PARKED, MOST_LISTED))
    personal = sum(hired.kind is Kind.PERSONAL for hired in people)
    if parked != personal:
        verdict.problems.append(f"{parked} notices are parked, not {personal}")
    for hired in people:
        file = store.hire(HireKey(SOURCE, hired.hire_id))
        for row in file.rows:
            verdict.states[row.state] += 1
            verdict.origins[str(row.origin)] += 1
        verdict.problems += [f"{hired.hire_id} ({hired.kind}) {problem}" for problem in _of_hire(hired, file, truth)]
    known = {hired.address for hired in people}
    for connection, found in truth.items():
        verdict.problems += [f"{connection} mailed a stranger" for address in found.mails if address not in known]
    return verdict


def _of_hire(hired: Hired, file: HireFile, truth: Mapping[str, Truth]) -> Iterator[str]:
    if file.record is None:
        yield "is lost: accepted, and nothing is recorded"
        return
    connections = sorted(row.connection for row in file.rows)
    expected: list[list[str]]
    match hired.kind:
        case Kind.PERSONAL:
            expected, results = [[]], {Result.INVALID}
        case Kind.CANCELLED | Kind.CANCELLED_FIRST:
            # Whichever is planned first: if it is the cancel, there never was anything to do.
            expected, results = [[], [ATLASSIAN, SENTRY]], {Result.CANCELLED, Result.UNANNOUNCED}
        case _:
            expected, results = [[ATLASSIAN, SENTRY]], {Result.ROWS}
    if file.record.result not in results:
        yield f"led to {file.record.result}"
    if connections not in expected:
        yield f"has rows in {connections}"
    for connection, found in truth.items():
        row = next((row for row in file.rows if row.connection == connection), None)
        mails, has = found.mails[hired.address], hired.address in found.complete
        if mails > 1:
            yield f"was mailed {mails} times by {connection}"
        if row is None:
            if mails or (has and hired.kind is not Kind.MEMBER):
                yield f"has no row in {connection}, and {connection} has them"
            continue
        yield from (
            f"{connection} {problem}" for problem in _of_row(row, hired, mails, has, found.complete.get(hired.address))
        )


def _of_row(row: Invitation, hired: Hired, mails: int, has: bool, complete: bool | None) -> Iterator[str]:
    was_there = hired.kind is Kind.MEMBER
    told = f"says {row.state}, origin {row.origin}, mailed {row.mailed}, {row.reason!r}; mails {mails}, there {has}"
    if row.state not in (State.INVITED, State.ALREADY_MEMBER, State.CANCELLED, State.PARKED):
        yield f"is not final: {told}"
    if row.state in (State.INVITED, State.ALREADY_MEMBER) and not has:
        yield f"has nobody, untrue: {told}"
    if row.state is State.INVITED and row.want and not complete:
        yield f"did not give every part: {told}"
    if row.state is State.ALREADY_MEMBER and not was_there:
        yield f"had nobody before us, untrue: {told}"
    if row.state is State.CANCELLED and row.may_post and not was_there and (has or mails):
        yield f"invited who was cancelled, untrue: {told}"
    if row.state is State.CANCELLED and row.want:
        yield f"ended against what is wanted: {told}"
    if row.state is State.PARKED and not row.reason:
        yield f"is parked without a reason: {told}"
    if row.mailed is not None and row.mailed is not (mails == 1):
        yield f"lies about the mail: {told}"
    if row.origin is (Origin.US if was_there else Origin.ELSEWHERE):
        yield f"lies about the origin: {told}"
