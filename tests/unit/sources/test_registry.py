"""Every source that the code knows has what a source needs."""

import ast
import inspect
import io
import json
import tokenize
from pathlib import Path
from statistics import median

import httpx
import pytest

from usher.ports import Source
from usher.sources.registry import all_sources

ROOT = Path(__file__).parents[3]
SOURCES = all_sources(httpx.Client())
MOST_LINES = 160
MOST_LINES_AS_A_RULE = 80
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_has_a_page_a_test_and_two_event_files(source: Source) -> None:
    """A signed event, and a forged or unusable one."""
    assert (ROOT / "docs" / "sources" / f"{source.name}.md").is_file()
    assert (ROOT / "tests" / "unit" / "sources" / f"test_{source.name.replace('-', '_')}.py").is_file()
    events = [json.loads(path.read_text()) for path in (ROOT / "events" / "hr_webhook").glob(f"{source.name}_*.json")]
    assert len(events) >= 2


def test_no_two_sources_share_a_name() -> None:
    """The path chooses the secret."""
    assert len({source.name for source in SOURCES}) == len(SOURCES)


def lines_of(source: Source) -> int:
    """Count the lines of a source's module that are not blank, comment or docstring."""
    text = inspect.getsource(inspect.getmodule(type(source)) or type(source))
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            code -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_is_a_small_module(source: Source) -> None:
    """What makes it larger belongs to all of them."""
    assert lines_of(source) <= MOST_LINES


def test_most_sources_whose_events_hold_the_person_are_smaller_still() -> None:
    """Those that ask for details have a second model of the vendor's, and requests: twice as much."""
    measured = [lines_of(source) for source in SOURCES if source.details is None]
    assert 0 < median(measured) <= MOST_LINES_AS_A_RULE
