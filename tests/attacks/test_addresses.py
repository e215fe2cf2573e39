"""Addresses that look like somebody's, hide somebody else's, or are none: refused before anything is normalised."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.use_cases.world import World, a_hire
from usher.domain.address import LONGEST, LONGEST_LOCAL_PART, canonical, mailbox_of
from usher.domain.errors import BadAddress
from usher.domain.invitation import State
from usher.domain.policy import Company
from usher.use_cases.plan_invites import Planned

CONFUSABLES = (
    # Each becomes a plain letter, or two, when its case is changed or it is normalised; or is drawn like one.
    *("\u212a", "\u017f", "\u0131", "\u0130", "\u00df", "\u1e9e", "\ufb00", "\ufb01", "\ufb06", "\u01c6"),
    *("\u0430", "\u0435", "\u043e", "\u0440", "\u0441", "\u0445", "\u0443", "\u0456", "\u0458", "\u0455"),
    *("\u03bf", "\u03b1", "\u03c1", "\u03bd", "\u0251", "\u0261", "\u0269", "\u01c0", "\u1d00", "\u2c9f"),
    *("\uff41", "\uff21", "\uff10", "\U0001d41a", "\U0001d5ba", "\u24d0", "\u00aa", "\u00ba", "\u2134", "\u212f"),
    *("a\u0301", "a\u200b", "a\u200d", "a\u00ad", "\u202ea", "\u2066a", "a\ufe0f", "a\u180e"),
)


@pytest.mark.parametrize("letter", CONFUSABLES, ids=ascii)
@pytest.mark.parametrize("place", ["{}nn@example.com", "ann{}@example.com", "ann@ex{}mple.com", "ann@example.c{}m"])
def test_a_letter_that_only_looks_like_one_is_refused_wherever_it_stands(letter: str, place: str) -> None:
    """Even where a normal form or another case of it is plain ASCII."""
    with pytest.raises(BadAddress):
        canonical(place.format(letter))


def test_the_table_holds_what_would_pass_for_plain_letters() -> None:
    """Or it would prove nothing: many turn into ASCII under one form or another."""
    forms = {
        letter: {unicodedata.normalize(form, letter) for form in ("NFC", "NFKC")} | {letter.lower(), letter.casefold()}
        for letter in CONFUSABLES
    }
    assert len(CONFUSABLES) >= 40
    assert sum(any(form.isascii() for form in each) for each in forms.values()) >= 16


@given(st.text(max_size=80) | st.from_regex(r"\A[\w.+-]{1,70}@[\w.-]{1,70}\Z"))
def test_what_is_accepted_is_plain_ascii_of_one_form(text: str) -> None:
    """Its canonical form is its own; nothing of it is anything but what mailboxes of companies are made of."""
    try:
        address = canonical(text)
    except BadAddress:
        return
    assert address == text.strip(" \t\r\n").lower() == canonical(address)
    assert re.fullmatch(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9.-]{3,190}", address)


@pytest.mark.parametrize(
    "address",
    [
        *("ann@example.com.evil.io", "ann@evil-example.com", "ann@evilexample.com", "ann@sub.example.com"),
        *("ann@example.co", "ann@example.com.co", "ann@example-com.io", "ann@xn--exmple-cua.com"),
        *("ann@xn--example-9uf.com", "ann@gmail.com", "ann@mailinator.com", "ann@example.org"),
        *("ann@example.com.", "ann@example.com@evil.io", "ann@evil.io@example.com", "example.com@evil.io"),
        *("ann@ex\u0430mple.com", "ann@\u0435xample.com", "ann@example\u3002com", "ann@example.com\u0000"),
        *("ann@evil.io#@example.com", "ann@evil.io/@example.com", "ann@evil.io?example.com", "ann%evil.io@"),
    ],
)
def test_a_domain_that_is_not_the_companys_to_the_letter_is_parked(address: str) -> None:
    """No part of it, no sub-domain, no look-alike: the list of the policy is exact."""
    world = World()
    assert world.says(a_hire(work_email=address)) is Planned.PARKED
    assert world.rows() == ()


@pytest.mark.parametrize(
    "address",
    [
        *("ann\uff20example.com", "ann\ufe6bexample.com", "ann@example.com\u037e", "ann@example.com;bob@example.com"),
        *("ann@example.com,bob@example.com", "ann@example.com bob@example.com", "<ann@example.com>"),
        *(
            "Ann <ann@example.com>",
            "ann(x)@example.com",
            "ann@(x)example.com",
            '"ann"@example.com',
            '"a b"@example.com',
        ),
        *("ann@[127.0.0.1]", "ann@[IPv6:::1]", "ann@127.0.0.1", "ann\n@example.com", "ann@example.com\nBcc: x@y.io"),
        *("ann\r\n@example.com", "mailto:ann@example.com", "ann\\@example.com", "ann@@example.com", "ann@exa mple.com"),
        *("@example.com", "ann@", "ann", "@", "ann@.com", "ann@-example.com", "ann@example-.com", ".ann@example.com"),
    ],
)
def test_an_address_that_is_a_list_a_phrase_or_a_trick_is_refused(address: str) -> None:
    """Mail programs would read some of them as two people, or as another one."""
    with pytest.raises(BadAddress):
        canonical(address)


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("a" * LONGEST_LOCAL_PART + "@example.com", True),
        ("a" * (LONGEST_LOCAL_PART + 1) + "@example.com", False),
        ("a@" + "b" * 63 + ".com", True),
        ("a@" + "b" * 64 + ".com", False),
        ("ann@" + "b." * 124 + "io", True),
        ("ann@" + "b." * 125 + "io", False),
        ("a" * 63 + "@" + "b." * 93 + "abcd", True),
        ("a" * 64 + "@" + "b." * 93 + "abcd", False),
        (" " * 64 + "ann@example.com", True),
        (" " * 400 + "ann@example.com", False),
    ],
)
def test_every_length_has_its_end(address: str, fits: bool) -> None:
    """64 before the @, 63 for a label, 254 in all; one more is one too many."""
    if fits:
        assert len(canonical(address)) <= LONGEST
    else:
        with pytest.raises(BadAddress):
            canonical(address)


@pytest.mark.parametrize("local", ["all", "admin", "info", "Admin", "NO-REPLY", "root", "postmaster", "security"])
def test_a_shared_mailbox_is_nobodys(local: str) -> None:
    """Whoever reads it would get the seat."""
    world = World()
    assert world.says(a_hire(work_email=f"{local}@example.com")) is Planned.PARKED


def test_an_address_in_other_letters_is_one_invitation_in_small_ones() -> None:
    """A provider that tells `Ann@` from `ann@` would make two people of her."""
    world = World()
    world.says(a_hire("E-1", work_email="Ann@Example.COM"))
    world.says(a_hire("E-2", work_email="ann@example.com"))
    world.says(a_hire("E-3", work_email="ANN@EXAMPLE.COM"))
    world.until_quiet()
    assert world.provider.mails == ["ann@example.com"]
    assert [world.row(name).state for name in ("E-1", "E-2", "E-3")] == [
        State.INVITED,
        State.DUPLICATE,
        State.DUPLICATE,
    ]


def test_a_tag_is_refused_or_is_the_same_mailbox() -> None:
    """One mailbox could ask for any number of seats."""
    world = World()
    assert world.says(a_hire("E-1", work_email="ann+1@example.com")) is Planned.PARKED
    assert world.policy is not None
    company = Company(**world.policy.company.model_dump() | {"allow_tags": True})
    world.policy = world.policy.model_copy(update={"company": company, "version": 2})
    for number in range(2, 6):
        world.says(a_hire(f"E-{number}", work_email=f"ann+{number}@example.com"))
    world.until_quiet()
    assert world.provider.mails == ["ann+2@example.com"]
    assert mailbox_of("ann+2@example.com") == mailbox_of("ann+5@example.com")
