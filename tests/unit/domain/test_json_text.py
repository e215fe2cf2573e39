"""JSON from strangers: what is refused, and that nothing but a BadEvent comes out."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.errors import BadEvent
from usher.domain.json_text import parse


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[1] x", "is not JSON"),
        (b'["\n"]', "is not JSON"),
        (b"[" * 1_000, "nested deeper than 20"),
        (b"[" * 100_000, "nested deeper than 20"),
        (b'{"a":' * 21 + b"1" + b"}" * 21, "nested deeper than 20"),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper than 20"),
        (b'{"role":"member","role":"owner"}', "has 'role' twice"),
        (b'[{"a":{"x y":1,"x y":1}}]', "has a key twice"),
        (b"[NaN]", "NaN or Infinity"),
        (b"[-Infinity]", "NaN or Infinity"),
        (b"[1e400]", "too large"),
        (b"[12345678901234567890]", "more than 19 digits"),
        (b"[" + b"9" * 5_000 + b"]", "more than 19 digits"),
        (b"[0." + b"9" * 5_000 + b"]", "more than 19 digits"),
        (b'["\\ud800"]', "half a surrogate pair"),
        (b'{"\\udc00":1}', "half a surrogate pair"),
        (b'["a\\u0000b"]', "NUL"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a":"é"}'.encode("latin-1"), "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        ("{}".encode("utf-16-le"), "is not JSON"),
        ("{}".encode("utf-32"), "not UTF-8"),
    ],
)
def test_what_would_break_something_later_is_refused(body: bytes, reason: str) -> None:
    """With one reason that repeats no value."""
    with pytest.raises(BadEvent, match=reason):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":9223372036854775807}',
        b'["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]',
        b'["\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[", "{\\\\"]',
        b"[" * 20 + b"]" * 20,
        '["\U0001f600 \\ud83d\\ude00 é"]'.encode(),
        b" [1.5, -0, true, null] ",
    ],
)
def test_everything_else_is_read_as_python_reads_it(body: bytes) -> None:
    """Brackets in texts are no depth, and whole surrogate pairs are letters."""
    assert parse(body) == json.loads(body)


@given(st.binary() | st.text().map(str.encode))
def test_no_body_raises_an_untyped_error(body: bytes) -> None:
    """Whatever it is."""
    with suppress(BadEvent):
        parse(body)


@given(st.text(alphabet='[]{}":,\\u0d8 1e.-N').map(str.encode))
def test_no_text_that_looks_like_json_raises_an_untyped_error(body: bytes) -> None:
    """Whatever its brackets, quotes and escapes do."""
    with suppress(BadEvent):
        parse(body)
