"""What people see: values are other people's words."""

from io import StringIO

import pytest
from rich.console import Console, RenderableType

from tests.unit.use_cases.world import NOON, World, a_hire
from usher.domain.invitation import State
from usher.domain.notice import NoticeRecord, NoticeState
from usher.domain.outcomes import Part
from usher.domain.policy import Access, Grant, Team
from usher_ops import render


def shown(view: RenderableType, width: int = 200) -> str:
    """Print as on a terminal of a width, without colours."""
    console = Console(file=StringIO(), width=width, color_system=None, force_terminal=True)
    console.print(view)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_values_are_neither_markup_nor_emoji_nor_control_sequences() -> None:
    """A name cannot paint the terminal, and a provider's reason cannot move its cursor."""
    world = World()
    world.says(a_hire(given_name="[bold]:smile:", family_name="Ann"))
    row = world.row().model_copy(update={"reason": "answered \x1b[2J\x07 500"})

    told = shown(render.outcome_table([row], {row.key.hire: world.store.hire(row.key.hire).record}))  # type: ignore[dict-item]
    assert "[bold]:smile: Ann" in told
    assert "answered \ufffd[2J\ufffd 500" in told


def test_who_is_named_once_for_rows_that_follow_each_other() -> None:
    """So that a person with four organizations is read as one."""
    world = World()
    world.says(a_hire())
    row = world.row()
    other = row.model_copy(update={"connection": "labs"})

    assert shown(render.outcome_table([row, other], {})).count("e-1@example.com") == 1


@pytest.mark.parametrize(("mailed", "word"), [(True, "yes"), (False, "no"), (None, "unknown")])
def test_whether_a_mail_went_out_is_said_in_words(mailed: bool | None, word: str) -> None:
    """Nobody can know it after an ambiguous answer."""
    world = World()
    world.says(a_hire())

    assert render.mailed(world.row().model_copy(update={"mailed": mailed})) == word


def test_the_reason_explains_a_row_before_its_rule_does() -> None:
    """What keeps a row from going on matters more than why it was made; the view of a person says both."""
    world = World()
    world.says(a_hire())
    row = world.row()

    assert render.why(row) == "rule 'engineers': department Engineering"
    held = row.model_copy(update={"reason": "no seats are left"})
    assert render.why(held) == "no seats are left"
    file = world.store.hire(row.key.hire)
    told = shown(render.person_view(type(file)(file.record, (held,))))
    assert "no seats are left" in told
    assert "rule 'engineers'" in told


def test_a_grant_is_said_on_one_line() -> None:
    """Every part of it."""
    grant = Grant(
        role="member",
        access=(Access(resource="ari:site/1", role="user"),),
        groups=("g-1",),
        teams=(Team(name="platform", role="admin"), Team(name="web")),
        notify=False,
        options={"reinvite": True},
    )
    assert render.granted(grant) == (
        "role member, user on ari:site/1, group g-1, team platform as admin, team web, reinvite on, without a mail"
    )


def test_open_parts_and_drift_of_a_row_are_told() -> None:
    """And the second generation says that it is one."""
    world = World()
    world.says(a_hire())
    row = world.row().model_copy(
        update={"generation": 2, "open_parts": (Part("team", "platform"),), "drift": ("role is admin",)}
    )
    file = world.store.hire(row.key.hire)

    told = shown(render.person_view(type(file)(file.record, (row,))))
    assert "main, generation 2: pending" in told
    assert "team platform" in told
    assert "role is admin" in told


def test_every_state_has_a_look() -> None:
    """A new state cannot be forgotten here."""
    world = World()
    world.says(a_hire())
    for state in State:
        row = world.row().model_copy(update={"state": state, "due_at": NOON})
        assert state in shown(render.outcome_table([row], {}))


def test_the_table_fits_a_narrow_terminal() -> None:
    """Cells fold; nothing is cut off."""
    world = World()
    world.says(a_hire())

    told = shown(render.outcome_table([world.row()], {}), width=80)
    assert all(len(line) <= 80 for line in told.splitlines())
    assert "…" not in told


def test_a_thin_notice_that_waits_says_when_it_is_asked_again() -> None:
    """And that there is nothing but an id in it."""
    notice = World().notice(source="thin", subject="1042", change="hired")
    record = NoticeRecord(notice=notice, state=NoticeState.WAITING, due_at=NOON, tries=2, updated_at=NOON)

    told = shown(render.notice_view(record))
    assert "2026-09-08 12:00:00 UTC, after 2 tries" in told
    assert "nothing but the id" in told
    assert "again 2026-09-08 12:00" in shown(render.notice_table([record]))
