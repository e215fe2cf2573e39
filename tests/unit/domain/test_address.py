"""One ASCII-only address function for keys, guards, payloads and matching."""

import pytest

from usher.domain.address import canonical, domain_of, local_part_of, mailbox_of
from usher.domain.errors import BadAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann.Arbor@Example.COM", "ann.arbor@example.com"),
        ("  ann@example.com\n", "ann@example.com"),
        ("o'hara@sub.example.com", "o'hara@sub.example.com"),
        ("ann+x@example.com", "ann+x@example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("ann@xn--exmple-cua.com", "ann@xn--exmple-cua.com"),
    ],
)
def test_a_plain_address_is_given_in_lower_case(text: str, expected: str) -> None:
    """Nothing else is changed."""
    assert canonical(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ann",
        "@example.com",
        "ann@",
        "ann@example",
        "ann@@example.com",
        "ann@example.com@evil.io",
        "ann\u212a@example.com",
        "a\u017fn@example.com",
        "\u0131nn@example.com",
        "stra\u00dfe@example.com",
        "ann\uff20example.com",
        "\u0430nn@example.com",
        "ann@ex\u00e4mple.com",
        "ann@example.com.",
        "ann@.example.com",
        "ann@-example.com",
        "ann@example..com",
        "ann@127.0.0.1",
        "ann@[127.0.0.1]",
        '"ann b"@example.com',
        "ann b@example.com",
        "Ann <ann@example.com>",
        "ann@example.com,bob@example.com",
        "ann@example.com;bob@example.com",
        "ann(comment)@example.com",
        "ann\n@example.com",
        "ann@exam\nple.com",
        "ann\x00@example.com",
        ".ann@example.com",
        "ann.@example.com",
        "a..b@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 64 + ".com",
        "ann@" + "b." * 150 + "com",
        "a@" * 30000,
    ],
)
def test_everything_else_is_refused_before_any_normalisation(text: str) -> None:
    """Look-alikes, lists, comments, quotes, literals and lengths; the reason repeats no address."""
    with pytest.raises(BadAddress) as refused:
        canonical(text)
    assert text.strip() == "" or text not in str(refused.value)


def test_a_tag_belongs_to_the_same_mailbox() -> None:
    """The guard is taken for the mailbox, the address is sent as given."""
    assert mailbox_of("ann+jira@example.com") == mailbox_of("ann@example.com") == "ann@example.com"
    assert mailbox_of("+@example.com") == "+@example.com"
    assert (local_part_of("ann@example.com"), domain_of("ann@example.com")) == ("ann", "example.com")
