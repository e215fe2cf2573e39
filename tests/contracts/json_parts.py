"""Parts of JSON values: where they are, and what becomes of a value when one of them is another."""

from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

DROPPED = object()
"""Stands for a part that is not there."""

WORD = "Wq7zMarker"
NUMBER = 918273645546372
"""Both are nowhere but in values: found in a problem, a value was repeated."""

STRANGE: tuple[Any, ...] = (
    *(None, True, False, -1, 0, NUMBER, 2**62, 1.5, 1e300, [], {}, [None], [[]], [{}], [WORD], {"key": WORD}),
    *("", " ", "/", "..", "0", "\u200b", "\u00e9" + WORD, WORD, WORD * 40, WORD + "\n", f"{WORD}@example.com"),
    *("0000-00-00", "2026-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-10-05T25:00:00Z"),
)
"""What may stand in any place."""


def places(value: Any) -> Iterator[Path]:
    """Give the path of every part of a value, the whole first."""
    yield ()
    if isinstance(value, dict | list):
        for place, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from ((place, *path) for path in places(part))


def changed(value: Any, path: Path, part: Any) -> Any:
    """Give a copy of a value in which one part is another, is not there, or is new."""
    if not path:
        return None if part is DROPPED else part
    copy = value.copy()
    if len(path) > 1:
        copy[path[0]] = changed(value[path[0]], path[1:], part)
    elif part is DROPPED:
        del copy[path[0]]
    else:
        copy[path[0]] = part
    return copy
