"""
The one way from text to an e-mail address: for keys, guards, payloads and matching alike.

Only ASCII is accepted, before any normalisation: Unicode look-alikes of letters and of ``@`` turn into plain ASCII
under the usual normal forms, so a normalising validator would let one person speak for another's mailbox.
"""

import re

from usher.domain.errors import BadAddress

LONGEST = 254
LONGEST_LOCAL_PART = 64

# Both are linear: one character class with one quantifier each, nothing nested.
_LOCAL_PART = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_LABEL = re.compile(r"[a-z0-9-]{1,63}")


def canonical(text: str) -> str:
    """
    Give the address in lower case.

    Raises BadAddress where the text is not plain ``local@domain`` in ASCII. White space around it is dropped.
    """
    if len(text) > LONGEST + 64:
        raise BadAddress(f"is longer than {LONGEST} characters")
    text = text.strip(" \t\r\n")
    if not text:
        raise BadAddress("is empty")
    if not text.isascii():
        raise BadAddress("has a character outside ASCII")
    if len(text) > LONGEST:
        raise BadAddress(f"is longer than {LONGEST} characters")
    local, at, domain = text.lower().partition("@")
    if not at or not local or not domain or "@" in domain:
        raise BadAddress("is not of the form local@domain")
    if len(local) > LONGEST_LOCAL_PART:
        raise BadAddress(f"has more than {LONGEST_LOCAL_PART} characters before the @")
    if not _LOCAL_PART.fullmatch(local) or local[0] == "." or local[-1] == "." or ".." in local:
        raise BadAddress("has a character before the @ that is not used in work addresses")
    labels = domain.split(".")
    if len(labels) < 2 or not all(_is_label(label) for label in labels) or labels[-1].isdigit():
        raise BadAddress("has a domain that is not a host name")
    return f"{local}@{domain}"


def domain_of(address: str) -> str:
    """Give the domain of a canonical address."""
    return address.rpartition("@")[2]


def local_part_of(address: str) -> str:
    """Give what stands before the @ of a canonical address."""
    return address.rpartition("@")[0]


def mailbox_of(address: str) -> str:
    """Give the mailbox behind a canonical address: its tag (``ann+x@`` is Ann's) is dropped."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def _is_label(label: str) -> bool:
    return _LABEL.fullmatch(label) is not None and label[0] != "-" and label[-1] != "-"
