"""What the pages promise, the project keeps."""

import re
import tomllib
from pathlib import Path

import boto3
import pytest

from usher.aws.clients import Clients
from usher.bootstrap import Stack
from usher.config import STAGES, Environment, load_stage
from usher_ops.main import usher

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def stack() -> Stack:
    """A stack whose AWS is never asked."""
    return Stack(Environment.of({}), Clients(boto3.Session("test", "test", region_name="eu-west-1")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """To a file of the project, or out of it."""
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """In commands and in text."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"\b((?:events|layers|local|docs|tests)/[\w./-]+\.(?:json|toml|py|md))", text):
        assert (ROOT / name).exists(), name


def test_every_provider_and_every_source_has_its_page(stack: Stack) -> None:
    """An operator looks there first."""
    for name in stack.providers:
        assert (ROOT / "docs" / "providers" / f"{name}.md").exists(), name
    for name in stack.sources:
        assert (ROOT / "docs" / "sources" / f"{name}.md").exists(), name


@pytest.mark.parametrize("name", ["dev", "prod", "local"])
def test_every_shipped_stage_is_accepted_at_start_up(stack: Stack, name: str) -> None:
    """With the real providers and sources."""
    assert load_stage(STAGES / f"{name}.toml", stack.providers, stack.sources).name == name


def test_the_functions_that_the_readme_names_are_in_the_template() -> None:
    """`sam local invoke` takes them by these names."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"sam local invoke (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert re.search(rf"^  {name}:\n    Type: AWS::Serverless::Function$", template, re.MULTILINE), name


def test_every_command_has_its_section() -> None:
    """In the page of the command."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name in usher.commands:
        assert f"## `usher {name}" in page, name


def test_the_policy_that_the_page_shows_is_a_policy(stack: Stack, tmp_path: Path) -> None:
    """Whoever copies it gets what it says."""
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    (shown, *_) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert tomllib.loads(shown)["version"] == 3
    file = tmp_path / "shown.toml"
    file.write_text(shown)

    assert load_stage(file, stack.providers, stack.sources).policy.version == 3


PROOFS = [("reliability", "F", 68), ("security", "X", 49)]
"""The pages that name the test of each promise: the letter of their rows, and the last one's number."""


@pytest.mark.parametrize("name", [name for name, *_ in PROOFS])
def test_every_test_that_a_page_of_proofs_names_exists(name: str) -> None:
    """A promise whose proof was renamed away is no promise."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert [each for each in sorted(named) if f"def {each}(" not in tests] == []


@pytest.mark.parametrize(("name", "letter", "last"), PROOFS)
def test_every_fault_and_every_attack_is_in_its_page(name: str, letter: str, last: int) -> None:
    """Shown, out of our power, or named as not shown yet."""
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    named = {int(number) for number in re.findall(rf"\b{letter}(\d\d)\b", page)}

    assert named == set(range(1, last + 1))
