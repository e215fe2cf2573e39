"""
What people see: pure functions from the domain's models to tables and texts of rich. docs/cli.md.

Every value goes through `plain`: names, reasons and notices are other people's words, and must neither be taken for
markup nor move the cursor of whoever reads them.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from usher.domain.budget import Forecast
from usher.domain.hire import HireKey, HireRecord
from usher.domain.hold import UNSETTLED, Hold
from usher.domain.invitation import LIVE, Invitation, Origin, State
from usher.domain.mass_guard import STOPPED, MassGuard
from usher.domain.notice import NoticeRecord, NoticeState
from usher.domain.planning import HireFile
from usher.domain.policy import Grant

_STYLES = {
    State.INVITED: "green",
    State.ALREADY_MEMBER: "green",
    State.PENDING: "cyan",
    State.SENDING: "cyan",
    State.AMBIGUOUS: "yellow",
    State.PLANNED: "magenta",
    State.PARKED: "red",
    State.DUPLICATE: "yellow",
    State.REJECTED: "red",
    State.CANCELLED: "dim",
}
_NOTICE_STYLES = {
    NoticeState.WAITING: "cyan",
    NoticeState.PARKED: "red",
    NoticeState.IGNORED: "dim",
    NoticeState.DONE: "green",
}
_MAILED = {True: "yes", False: "no", None: "unknown"}


# --- words ---


def plain(value: object, style: str = "") -> Text:
    """Give a value as text that is no markup; what cannot be printed shows as �."""
    return Text("".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in str(value)), style)


def moment(value: datetime | None, *, seconds: bool = False) -> str:
    """Give a time in UTC, to the minute; nothing for none."""
    if value is None:
        return ""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def name(record: HireRecord | None) -> str:
    """Give the person's names as far as the hire's record has them."""
    if record is None:
        return ""
    return " ".join(part for part in (record.effective.given_name, record.effective.family_name) if part)


def rule(row: Invitation) -> str:
    """Say which rule led to a row, and by which fields."""
    fields = ", ".join(f"{field} {value}" for field, value in row.explanation.fields.items())
    return f"rule {row.explanation.rule!r}: {fields or 'everyone'}"


def why(row: Invitation) -> str:
    """Say why a row is as it is: the reason where there is one, else, or where it is planned, the rule."""
    return rule(row) if row.reason is None or row.state is State.PLANNED else row.reason


def mailed(row: Invitation) -> str:
    """Say whether our own attempts sent a mail: yes, no or unknown."""
    return _MAILED[row.mailed]


def granted(grant: Grant) -> str:
    """Say what a grant gives, on one line."""
    parts = [f"role {grant.role}"] if grant.role else []
    parts += [f"{access.role} on {access.resource}" for access in grant.access]
    parts += [f"group {group}" for group in grant.groups]
    parts += [f"team {team.name}" + (f" as {team.role}" if team.role else "") for team in grant.teams]
    parts += [f"{option} {'on' if on else 'off'}" for option, on in grant.options.items()]
    return ", ".join([*parts, "with a mail" if grant.notify else "without a mail"])


# --- rows ---


def outcome_table(
    rows: Iterable[Invitation], hires: Mapping[HireKey, HireRecord], *, title: str = "Invitations"
) -> Table:
    """
    Make the table of outcomes, rows in the order given; times in UTC.

    `hires` gives names where it has them. Who is named once for rows of one person that follow each other.
    """
    listed = list(rows)
    shows_attention = any(row.attention for row in listed)
    table = _table(title, "who", "where", "state", "due, or since (UTC)", "why", "provider id", "mailed")
    if shows_attention:
        table.add_column("attention", overflow="fold")
    before: HireKey | None = None
    for row in listed:
        hire = row.key.hire
        if before is not None and hire != before:
            table.add_section()
        cells = [
            _who(row, hires.get(hire)) if hire != before else Text(),
            plain(row.connection + (f" ({row.generation})" if row.generation > 1 else "")),
            _state(row),
            plain(_when(row)),
            plain(why(row)),
            plain(row.provider_ref or ""),
            plain(mailed(row)),
        ]
        table.add_row(*cells, *([plain(row.attention or "", "bold red")] if shows_attention else []))
        before = hire
    return table


def person_view(
    file: HireFile, *, notices: Collection[NoticeRecord] = (), holds: Collection[Hold] = ()
) -> RenderableType:
    """Explain one person: the hire, every row with its history, the holds that stop them, and recorded notices."""
    parts: list[RenderableType] = []
    if file.record is not None:
        parts += [_hire(file.record)]
    for row in file.rows:
        stopping = [
            h for h in holds if h.connection == row.connection and h.grant_digest in (None, UNSETTLED, row.grant_digest)
        ]
        parts += [Text(), _row(row, stopping)]
    if file.record is not None and not file.rows:
        parts += [Text(), Text("There is no row of an invitation.")]
    if notices:
        parts += [Text(), notice_table(notices)]
    return Group(*parts)


def hold_table(holds: Iterable[Hold]) -> Table:
    """Make the table of what is not used for now, and why."""
    table = _table("On hold", "connection", "grant", "since (UTC)", "next probe (UTC)", "why")
    for hold in sorted(holds, key=lambda hold: (hold.connection, hold.grant_digest or "")):
        grant = "(new invitations)" if hold.grant_digest == UNSETTLED else hold.grant_digest or "(all of it)"
        table.add_row(
            plain(hold.connection), plain(grant), moment(hold.since), moment(hold.next_probe), plain(hold.reason)
        )
    return table


def forecast_table(forecasts: Mapping[str, Forecast]) -> Table:
    """Make the table of daily budgets for which rows wait."""
    table = _table("Invitations a day", "connection", "forecast")
    for connection, forecast in sorted(forecasts.items()):
        table.add_row(plain(connection), plain(forecast))
    return table


def guard_line(guard: MassGuard) -> Text:
    """Say since when the guard against mass mistakes holds invitations back."""
    return plain(f"Stopped since {moment(guard.stopped_at)} UTC: {STOPPED}.", "bold red")


# --- notices ---


def notice_table(records: Iterable[NoticeRecord], *, title: str = "Notices") -> Table:
    """Make the table of recorded notices with every reason; it names hires by their ids only."""
    table = _table(title, "notice", "hire", "event", "state", "since (UTC)", "why")
    for record in records:
        notice = record.notice
        state = plain(record.state, _NOTICE_STYLES[record.state])
        if record.due_at is not None:
            state.append(f"\nagain {moment(record.due_at)}", "default")
        table.add_row(
            plain(notice.notice_id),
            plain(f"{notice.source}/{notice.subject or '?'}"),
            plain(notice.event),
            state,
            moment(record.updated_at),
            plain("\n".join(str(problem) for problem in record.problems)),
        )
    return table


def notice_view(record: NoticeRecord) -> RenderableType:
    """Show one notice with the fields that could be read."""
    notice = record.notice
    facts: list[tuple[str, object]] = [
        ("state", record.state),
        ("source", notice.source),
        ("hire", notice.subject),
        ("event", notice.event),
        ("change", notice.change),
        ("received", f"{moment(notice.received_at, seconds=True)} UTC"),
        ("changed", f"{moment(record.updated_at, seconds=True)} UTC"),
        ("again", f"{moment(record.due_at, seconds=True)} UTC, after {record.tries} tries" if record.due_at else None),
        ("why", "\n".join(str(problem) for problem in record.problems)),
    ]
    if notice.hire is not None:
        said = notice.hire.model_dump(mode="json", exclude_none=True, exclude={"source", "hire_id", "change"})
        facts += [("it says", "\n".join(f"{field}: {value}" for field, value in said.items()))]
    elif notice.is_thin:
        facts += [("it says", "nothing but the id: the details are fetched from the source")]
    return Group(plain(f"Notice {notice.notice_id}", "bold"), _facts(facts))


# --- parts ---


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", min_width=len(column) if len(column) < 8 else None)
    return table


def _facts(facts: Iterable[tuple[str, object]]) -> Padding:
    """Lay out what there is to say; what is empty is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in facts:
        if value not in (None, ""):
            grid.add_row(label, value if isinstance(value, Text) else plain(value))
    return Padding(grid, (0, 0, 0, 2), expand=False)


def _state(row: Invitation) -> Text:
    # Who is invited because of somebody else is ready too, but got no mail of ours.
    elsewhere = row.state is State.INVITED and row.origin is Origin.ELSEWHERE
    return plain(f"{row.state}{' (elsewhere)' if elsewhere else ''}", _STYLES[row.state])


def _when(row: Invitation) -> str:
    if row.state in LIVE:
        return f"due {moment(row.due_at)}"
    if row.state is State.PLANNED:
        return f"not before {moment(row.send_not_before)}"
    return f"since {moment(row.updated_at)}"


def _who(row: Invitation, record: HireRecord | None) -> Text:
    known = name(record)
    return plain("\n".join(part for part in (known, row.address, str(row.key.hire)) if part))


def _hire(record: HireRecord) -> RenderableType:
    hire = record.effective
    first_day = hire.start_date.isoformat() if hire.start_date else None
    facts: list[tuple[str, object]] = [
        ("hire", record.key),
        ("work address", record.work_email or "not known yet"),
        ("start date", f"{first_day} {f'({hire.time_zone})' if hire.time_zone else ''}" if first_day else None),
        ("department", hire.department),
        ("title", hire.title),
        ("location", hire.location),
        ("employment", hire.employment_type),
        ("version", f"{hire.version}, {hire.change}"),
        ("led to", record.result.replace("_", " ")),
        ("policy", record.policy_version),
        ("first heard of", f"{moment(record.announced_at, seconds=True)} UTC"),
        ("changed", f"{moment(record.updated_at, seconds=True)} UTC"),
    ]
    return Group(plain(name(record) or record.key, "bold"), _facts(facts))


def _row(row: Invitation, holds: Collection[Hold]) -> RenderableType:
    sent_elsewhere = row.sent_address is not None and row.sent_address != row.address
    due = f"{moment(row.due_at, seconds=True)} UTC" if row.due_at else None
    asked_before = row.sent_grant is not None and row.sent_grant != row.grant
    facts: list[tuple[str, object]] = [
        ("because of", rule(row)),
        ("reason", row.reason),
        ("attention", plain(row.attention, "bold red") if row.attention else None),
        ("wanted", "yes" if row.want else "no longer"),
        ("grant", granted(row.grant)),
        ("grant as sent", granted(row.sent_grant) if row.sent_grant and asked_before else None),
        ("sent to", row.sent_address if sent_elsewhere else None),
        ("not before", f"{moment(row.send_not_before, seconds=True)} UTC"),
        ("due", due),
        ("provider id", row.provider_ref),
        ("mailed", mailed(row)),
        ("invited by", row.origin),
        ("open parts", ", ".join(str(part) for part in row.open_parts)),
        ("differs", "; ".join(row.drift)),
        ("hire version", row.hire_version),
        ("policy", row.policy_version),
        *((f"on {'grant ' if hold.grant_digest else ''}hold", _hold(hold)) for hold in holds),
    ]
    title = plain(f"{row.connection}" + (f", generation {row.generation}" if row.generation > 1 else "") + ": ", "bold")
    title.append_text(_state(row)).append(f" since {moment(row.updated_at)} UTC", "default")
    return Group(title, _facts(facts), *([_history(row)] if row.history else []))


def _hold(hold: Hold) -> str:
    return f"{hold.reason} (since {moment(hold.since)}, next probe {moment(hold.next_probe)} UTC)"


def _history(row: Invitation) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("fence", "at (UTC)", "what", "outcome", "reason"):
        table.add_column(column, overflow="fold")
    for attempt in row.history:
        table.add_row(
            str(attempt.fence),
            moment(attempt.at, seconds=True),
            plain(attempt.what),
            plain(attempt.outcome),
            plain(attempt.reason),
        )
    return Padding(table, (0, 0, 0, 2), expand=False)
