"""
`make demo`: the whole system on this machine, the sample events, and a table of what became of them.

Exits with 0 only if every row, every parked notice and every mail is what the events call for.
"""

import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import httpx
from rich.console import Console
from rich.table import Table

from usher.aws.clients import Clients
from usher.bootstrap import Stack
from usher.config import Environment
from usher.domain.hire import HireKey, Result
from usher.domain.invitation import Invitation
from usher.domain.notice import NoticeRecord, NoticeState
from usher.domain.planning import HireFile
from usher_local.cases import CASES, WRITTEN_AT, Case, Ending
from usher_local.places import ROOT
from usher_local.stack import LocalSystem, Options, client
from usher_local.webhook import body_of, send
from usher_ops.render import notice_table, outcome_table

EVENTS = ROOT / "events"
WIDTH_OF_A_FILE = 170

PATIENCE = 60.0
"""Seconds until an outcome that has not come is a failure."""

_DAY = re.compile(rb"\d{4}-\d{2}-\d{2}")


def run(options: Options) -> int:
    """Bring the system up (or join the one that is up), send, wait, show, check; gives the exit status."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    begun = time.monotonic()
    console.print("[bold]Usher on this machine[/]: template.yaml, deployed to an emulator, beside the simulated others")
    with LocalSystem.start(options, say=console.print) as system:
        demo = Demo(system, console, json.loads(options.secrets_file.read_text(encoding="utf-8")))
        demo.seed()
        demo.send()
        demo.wait()
        problems = demo.show()
    console.print(f"{time.monotonic() - begun:.0f} s in all")
    for problem in problems:
        console.print(f"[red]not as the events call for[/]: {problem}")
    if not problems:
        console.print("[green]every row, every parked notice and every mail is what the events call for[/]")
    return 1 if problems else 0


class Demo:
    """One run: what was sent, and how to look at what became of it."""

    def __init__(self, system: LocalSystem, console: Console, secrets: Mapping[str, str]) -> None:
        self._system = system
        self._console = console
        # Whole days, and none of them ahead: what a vendor dates in the future is refused.
        self._days = timedelta(days=(datetime.now(UTC) - WRITTEN_AT).days)
        self._secrets = secrets
        self._accepted = 0
        self._is_paused = False
        outputs = system.state.outputs
        session = boto3.Session("test", "test", region_name=system.state.region)
        environment = Environment.of({"USHER_STAGE": "local", "USHER_TABLE": outputs["TableName"]})
        self._stack = Stack(environment, Clients(session, endpoint_url=system.state.endpoint))

    def seed(self) -> None:
        """Let the providers know some people before, and misbehave toward others."""
        moved = json.loads(self._moved((EVENTS / "demo" / "seed.json").read_bytes()))
        for name, address in self._system.state.simulators.items():
            self._post(f"{address}/_sim/reset", {})
            for step in ("seed", "faults"):
                if name in moved.get(step, {}):
                    self._post(f"{address}/_sim/{step}", moved[step][name])

    def send(self) -> None:
        """Send every sample event the way its case says."""
        self._console.print("\n[bold]Sending the sample events[/] (dates moved so that they were written today)")
        for case in CASES:
            if case.batched and not self._is_paused:
                # So that their rows are due together, and share one request to Atlassian.
                self._pause_atlassian(paused=True)
            said = self._send(case)
            self._accepted += 1
            self._console.print(f"  {case.title:<36} {case.way:<20} {said}")
            if case.awaited:
                self._until_recorded(case)
        for case in CASES:
            if case.batched:
                self._until_recorded(case)
        self._pause_atlassian(paused=False)

    def wait(self) -> None:
        """Let time pass, with a sweep each second, until every outcome is there or patience ends."""
        self._console.print("\n[bold]Waiting for the outcomes[/], sweeping each second instead of each minute")
        until = time.monotonic() + PATIENCE
        before = ""
        while time.monotonic() < until:
            self._sweep()
            problems = list(self._problems())
            states = Counter(str(row.state) for file in self._files().values() for row in file.rows)
            now = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            if now != before:
                self._console.print(f"  {now}")
                before = now
            if not problems:
                return
            time.sleep(1)  # The system works in other processes; the next look is at what they wrote.

    def show(self) -> list[str]:
        """Print outcomes, parked notices and mails; gives what is wrong."""
        files = self._files()
        rows = [row for file in files.values() for row in file.rows]
        records = {file.record.key: file.record for file in files.values() if file.record}
        self._console.print()
        self._console.print(outcome_table(rows, records))
        self._console.print(notice_table(self._parked()))
        mails = Table(title="Mails that the providers sent", title_justify="left")
        for column in ("to", "from", "organization", "kind"):
            mails.add_column(column)
        for mail in self._mails():
            mails.add_row(mail["address"], mail["provider"], mail["organization"], mail["kind"])
        self._console.print(mails)
        no_rule = [str(key) for key, file in files.items() if file.record and file.record.result == "no_rule"]
        self._console.print(f"No rule matched: {', '.join(no_rule) or 'nobody'}")
        joined = [f"{key} by {other}" for key, record in records.items() for other in record.others]
        self._console.print(f"Completed by another system: {', '.join(joined) or 'nobody'}")
        problems = list(self._problems())
        endings = self._endings(files)
        told = ", ".join(f"{count} {ending}" for ending, count in sorted(endings.items()))
        self._console.print(f"{self._accepted} events accepted; they ended as: {told}")
        if endings.total() != self._accepted:
            problems.append(f"{self._accepted} events were accepted, and {endings.total()} of them have an ending")
        return problems

    def _endings(self, files: dict[HireKey, HireFile]) -> Counter[str]:
        """Count how the accepted events ended: as rows, as a recorded no-match, or as one parked notice."""
        parked = Counter(_told_by(record) for record in self._parked())
        endings: Counter[str] = Counter()
        for case in CASES:
            if case.is_parked:
                endings["parked notice"] += parked[case.hire]
                continue
            file = files[HireKey.parse(case.hire)]
            if file.rows:
                endings["rows"] += 1
            elif file.record is not None and file.record.result is Result.NO_RULE:
                endings["no-match"] += 1
        return endings

    # --- sending ---

    def _send(self, case: Case) -> str:
        match case.way.split():
            case ["webhook", source]:
                status = send(self._system.state.webhook_url, source, self._body(case), self._secrets)
                if status not in (200, 202, 204):
                    raise SystemExit(f"{case.title}: the webhook answered {status}")
                return f"answered {status}"
            case _:
                queue = self._system.state.outputs["IntakeQueueUrl"]
                sent = client("sqs").send_message(QueueUrl=queue, MessageBody=self._body(case).decode())
                return f"message {sent['MessageId'][:8]}"

    def _body(self, case: Case) -> bytes:
        return self._moved(body_of(EVENTS / case.file))

    def _moved(self, text: bytes) -> bytes:
        """Move every date by the days since the events were written."""

        def move(found: re.Match[bytes]) -> bytes:
            return (date.fromisoformat(found[0].decode()) + self._days).isoformat().encode()

        return _DAY.sub(move, text)

    def _until_recorded(self, case: Case) -> None:
        """Some events only make sense after another: the one that completes or takes back."""
        until = time.monotonic() + PATIENCE
        while self._file(case.hire).record is None and time.monotonic() < until:
            time.sleep(0.2)  # As above.

    def _pause_atlassian(self, *, paused: bool) -> None:
        """Let wake-ups of Atlassian's sender wait on their queue, or take them again."""
        functions = client("lambda")
        name = self._system.state.outputs["SendInvitesAtlassianFunction"]
        for mapping in functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=not paused)
        self._is_paused = paused

    def _sweep(self) -> None:
        name = self._system.state.outputs["SweepFunction"]
        client("lambda").invoke(FunctionName=name, Payload=b"{}")

    def _post(self, url: str, body: Any) -> None:
        request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass

    # --- looking ---

    def _file(self, hire: str) -> HireFile:
        return self._stack.store.hire(HireKey.parse(hire))

    def _files(self) -> dict[HireKey, HireFile]:
        return {
            HireKey.parse(hire): self._file(hire)
            for hire in dict.fromkeys(case.hire for case in CASES if case.is_known)
        }

    def _parked(self) -> list[NoticeRecord]:
        found = [self._stack.store.notice(name) for name in self._stack.store.notices_in_state(NoticeState.PARKED, 100)]
        return [record for record in found if record is not None]

    def _mails(self) -> list[dict[str, Any]]:
        mails: list[dict[str, Any]] = []
        for name in ("atlassian", "sentry"):
            mails += httpx.get(f"{self._system.state.simulators[name]}/_sim/mails", timeout=10).json()
        return mails

    def _queue_problems(self) -> Iterator[str]:
        """Name queues that hold messages: what was accepted must have ended somewhere else."""
        outputs = self._system.state.outputs
        for name in sorted(name for name in outputs if name.endswith(("QueueUrl", "DeadLettersUrl"))):
            wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            answer = client("sqs").get_queue_attributes(QueueUrl=outputs[name], AttributeNames=wanted)
            if held := sum(int(answer["Attributes"][attribute]) for attribute in wanted):
                yield f"{name.removesuffix('Url')} holds {held} messages"

    def _shared_a_request(self, hires: list[str], files: dict[HireKey, HireFile]) -> bool:
        """Say whether one request to Atlassian invited all of them."""
        wanted = {row.address for hire in hires for row in files[HireKey.parse(hire)].rows}
        ledger = httpx.get(f"{self._system.state.simulators['atlassian']}/_sim/ledger", timeout=10).json()
        requests = [entry["body"] for entry in ledger if entry["path"].endswith("/users/invite")]
        return any(wanted <= set(body["emails"]) for body in requests)

    # --- checking ---

    def _problems(self) -> Iterator[str]:
        """Say everything that is not as the cases call for."""
        files, mails = self._files(), Counter((mail["provider"], mail["address"]) for mail in self._mails())
        expected: Counter[tuple[str, str]] = Counter()
        for case in {case.hire: case for case in CASES if case.is_known}.values():
            file = files[HireKey.parse(case.hire)]
            if file.record is None:
                yield f"{case.hire} ({case.title}) was not recorded"
                continue
            if file.record.result is not case.result:
                yield f"{case.hire} ({case.title}) led to {file.record.result}, not {case.result}"
            if case.completed_by and case.completed_by not in file.record.others:
                yield f"{case.hire} ({case.title}) was not completed by {case.completed_by}"
            rows = {row.connection: row for row in file.rows}
            if rows.keys() != case.rows.keys():
                yield f"{case.hire} ({case.title}) has rows in {sorted(rows)}, not in {sorted(case.rows)}"
            for name, ending in case.rows.items():
                if name in rows:
                    yield from _row_problems(case, rows[name], ending)
                    expected[name.split("-")[0], rows[name].address] += ending.mails
        for who in sorted(mails.keys() | expected.keys()):
            if mails[who] != expected[who]:
                yield f"{who[0]} mailed {who[1]} {mails[who]} times, not {expected[who]}"
        if not self._shared_a_request([case.hire for case in CASES if case.batched], files):
            yield "no request to Atlassian carried everybody of the batch"
        yield from self._queue_problems()
        parked = sorted(_told_by(record) for record in self._parked())
        called_for = sorted(case.hire for case in CASES if case.is_parked)
        if parked != called_for:
            yield f"parked notices are of {parked}, not of {called_for}"


def _told_by(record: NoticeRecord) -> str:
    return f"{record.notice.source}/{record.notice.subject}"


def _row_problems(case: Case, row: Invitation, ending: Ending) -> Iterator[str]:
    where = f"{case.hire} in {row.connection} ({case.title})"
    if row.state is not ending.state:
        yield f"{where} is {row.state}, not {ending.state}: {row.reason}"
    elif ending.origin is not None and row.origin is not ending.origin:
        yield f"{where} came from {row.origin}, not from {ending.origin}"
    elif ending.says not in (row.reason or ""):
        yield f"{where} says {row.reason!r}"
    elif ending.later and (row.due_at is None or row.due_at < datetime.now(UTC) + timedelta(1)):
        yield f"{where} is due at {row.due_at}"
