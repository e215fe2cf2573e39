"""The table of sources says of every source what the code does."""

import re
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from usher.ports import Source
from usher.sources.registry import all_sources
from usher.sources.webhook import Webhook

PAGES = Path(__file__).parents[3] / "docs" / "sources"
SOURCES = all_sources(httpx.Client())
BASES = r"docs|source|official vector|captured request"


class Row(NamedTuple):
    """A row of the table."""

    source: str
    hire: str
    verification: str
    notice: str
    handshake: str
    known_from: str


def rows() -> dict[str, Row]:
    """Give the rows by the name of their page."""
    lines = [line for line in (PAGES / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| [")]
    found = [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines]
    return {re.sub(r"\[.*?\]\((.*?)\.md\).*", r"\1", row.source): row for row in found}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_has_a_row_and_its_page_is_linked(source: Source) -> None:
    """With nothing left open in it."""
    row = rows()[source.name]
    assert row.source.startswith(f"[{source.name}]({source.name}.md)")
    assert (PAGES / f"{source.name}.md").is_file()
    assert all(row)
    assert re.search(BASES, row.known_from)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_row_says_what_the_code_does(source: Source) -> None:
    """Whether details are asked for, whether something comes unsigned, whether it is an experiment."""
    assert isinstance(source, Webhook)
    row = rows()[source.name]
    page = (PAGES / f"{source.name}.md").read_text(encoding="utf-8")
    assert row.notice.startswith("full" if source.details is None else "thin")
    if type(source).handshake is not Webhook.handshake:
        assert row.handshake != "none"
    assert ("*experimental*" in row.source) is source.is_experimental
    assert not source.is_experimental or "xperimental" in page


def test_no_row_is_about_a_source_that_is_not_there() -> None:
    """Else an operator sets up what nobody listens to."""
    assert rows().keys() == {source.name for source in SOURCES}
