"""Every source that the code knows has what a source needs."""

import json
from pathlib import Path

import httpx
import pytest

from usher.ports import Source
from usher.sources.registry import all_sources

ROOT = Path(__file__).parents[3]
SOURCES = all_sources(httpx.Client())


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_has_a_page_a_test_and_two_event_files(source: Source) -> None:
    """A signed event, and a forged or unusable one."""
    assert (ROOT / "docs" / "sources" / f"{source.name}.md").is_file()
    assert (ROOT / "tests" / "unit" / "sources" / f"test_{source.name}.py").is_file()
    events = [json.loads(path.read_text()) for path in (ROOT / "events" / "hr_webhook").glob(f"{source.name}_*.json")]
    assert len(events) >= 2


def test_no_two_sources_share_a_name() -> None:
    """The path chooses the secret."""
    assert len({source.name for source in SOURCES}) == len(SOURCES)
