"""
JSON from strangers: one strict way from bytes to values.

Python's own reader takes UTF-16, a second key of the same name, NaN and half a surrogate pair, and at depth it ends in
a RecursionError. Each of them would break something later: a log, a signature, the table.
"""

import json
import math
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NoReturn

from usher.domain.errors import BadEvent, Problem

DEEPEST = 20
MOST_DIGITS = 19

# Linear: possessive quantifiers never look back, and a string that does not end is taken whole.
_NO_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[^\[\]{}"]++', re.DOTALL)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UNFIT = re.compile(r"[\x00\ud800-\udfff]")


def parse(body: bytes) -> Any:
    """
    Give the value that the bytes hold.

    Raises BadEvent, and nothing else, for what is not UTF-8, not JSON, nested deeper than 20, names a key twice, or has
    a number of more than 19 digits or without end, half a surrogate pair, or a NUL. The reason repeats no value.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _bad("is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise _bad("starts with a byte order mark; send UTF-8 without one")
    # Counted before the reader runs, for it answers depth with a RecursionError.
    if max(accumulate(1 if mark in "[{" else -1 for mark in _NO_BRACKET.sub("", text)), default=0) > DEEPEST:
        raise _bad(f"is nested deeper than {DEEPEST}")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        raise _bad(f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    if any(_UNFIT.search(text) for text in _texts(value)):
        raise _bad("has a text with a NUL or half a surrogate pair")
    return value


def _bad(reason: str) -> BadEvent:
    return BadEvent(Problem("body", reason))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        name = repr(twice) if _PLAIN_KEY.fullmatch(twice) else "a key"
        raise _bad(f"has {name} twice in one object")
    return found


def _integer(text: str) -> int:
    _check_length(text)
    return int(text)


def _number(text: str) -> float:
    _check_length(text)
    number = float(text)
    if not math.isfinite(number):
        raise _bad("has a number that is too large")
    return number


def _check_length(text: str) -> None:
    if sum(character.isdigit() for character in text) > MOST_DIGITS:
        raise _bad(f"has a number of more than {MOST_DIGITS} digits")


def _no_number(_: str) -> NoReturn:
    raise _bad("has NaN or Infinity, which are no JSON numbers")


def _texts(value: Any) -> Iterator[str]:
    """Walk without recursion; keys are texts too."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
