"""
How senders are believed: by a signature, or by a secret that comes as it is (contract, section 2).

One parametric HMAC covers eleven HR systems, Standard Webhooks and Svix; the raw bytes are hashed as they came. A
secret in a header or in the body says who sends, and nothing about the bytes. Whatever is wrong is the one refusal
`Unauthentic`: a sender who cannot be believed learns nothing from us.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from usher.domain.errors import SecretUnavailable, Unauthentic
from usher.ports import WebhookRequest

LONGEST_HEADER = 4096
MOST_SIGNATURES = 10
MOST_AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be before ours."""

# Python's `int` takes underscores and the digits of every script.
_SECONDS = re.compile(r"[0-9]{10}")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_PLACES = re.compile(r"\{([a-z-]+)\}")


class Scheme(Protocol):
    """A way to believe a sender."""

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Check the raw bytes against any of the active secrets; raises Unauthentic."""


class Encoding(StrEnum):
    """How signature bytes are written."""

    HEX = "hex"
    BASE64 = "base64"
    BASE64URL = "base64url"

    def read(self, text: str) -> bytes:
        """Give the bytes, whether or not base64 is padded; raises ValueError."""
        if self is Encoding.HEX:
            if not _HEX.fullmatch(text):
                raise ValueError("not hex")  # bytes.fromhex itself would skip white space.
            return bytes.fromhex(text)
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_" if self is Encoding.BASE64URL else None, validate=True)

    def write(self, signature: bytes) -> str:
        """Write the bytes."""
        if self is Encoding.HEX:
            return signature.hex()
        encode = base64.urlsafe_b64encode if self is Encoding.BASE64URL else base64.b64encode
        return encode(signature).decode()


class KeyForm(StrEnum):
    """How a secret's text becomes the key."""

    TEXT = "text"
    WHSEC = "whsec"
    """Base64, with or without the prefix ``whsec_`` and the padding."""

    def key(self, secret: str) -> bytes:
        """Give the key; raises SecretUnavailable for a secret that is none."""
        try:
            key = secret.encode() if self is KeyForm.TEXT else Encoding.BASE64.read(secret.removeprefix("whsec_"))
        except ValueError:
            raise SecretUnavailable("a webhook secret is not base64") from None
        if not key:
            raise SecretUnavailable("a webhook secret is empty")
        return key


@dataclass(frozen=True, slots=True)
class Hmac:
    """
    The parameters of one sender's signature.

    `signed` says what is hashed: text with ``{body}`` and ``{header-name}`` in it. With `many`, the header is a list
    with spaces between; entries without the `prefix` (other versions and algorithms) are passed over. A sender that
    signs the time names its header: unix seconds, no older than `tolerance`.
    """

    header: str
    signed: str = "{body}"
    hash: str = "sha256"
    key_form: KeyForm = KeyForm.TEXT
    prefix: str = ""
    encoding: Encoding = Encoding.HEX
    many: bool = False
    timestamp_header: str | None = None
    tolerance: timedelta = timedelta(minutes=5)

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Check the signature against any of the secrets; raises Unauthentic, or SecretUnavailable for an unfit one."""
        keys = [self.key_form.key(secret) for secret in secrets]
        found = list(self._signatures(_header(request, self.header)))
        if self.timestamp_header is not None:
            self._check_time(_header(request, self.timestamp_header), now)
        message = self._message(request)
        expected = [hmac.digest(key, message, self.hash) for key in keys]
        # Every pair is compared, so that the time taken tells nothing.
        matches = [hmac.compare_digest(theirs, ours) for theirs in found for ours in expected]
        if not any(matches):
            raise Unauthentic("the signature does not match")

    def sign(self, request: WebhookRequest, secret: str) -> str:
        """Give the signature header's value, for those who play the sender."""
        signature = hmac.digest(self.key_form.key(secret), self._message(request), self.hash)
        return self.prefix + self.encoding.write(signature)

    def _signatures(self, value: str) -> Iterator[bytes]:
        entries = value.split(" ") if self.many else [value]
        if len(entries) > MOST_SIGNATURES:
            raise Unauthentic("the signature header has too many entries")
        size = hashlib.new(self.hash).digest_size
        for entry in entries:
            if entry.startswith(self.prefix):
                try:
                    signature = self.encoding.read(entry.removeprefix(self.prefix))
                except ValueError:
                    continue
                if len(signature) == size:
                    yield signature

    def _check_time(self, text: str, now: datetime) -> None:
        if not _SECONDS.fullmatch(text):
            raise Unauthentic("the time is not in unix seconds")
        age = now.timestamp() - int(text)
        if not -MOST_AHEAD.total_seconds() <= age <= self.tolerance.total_seconds():
            raise Unauthentic("the time is too far from ours")

    def _message(self, request: WebhookRequest) -> bytes:
        parts = _PLACES.split(self.signed)
        # `split` alternates: text, name, text, name, ..., text.
        return b"".join(
            text.encode() if index % 2 == 0 else request.body if text == "body" else _header(request, text).encode()
            for index, text in enumerate(parts)
        )


class Form(StrEnum):
    """How a secret stands in a header."""

    EXACT = "exact"
    """As it is, with whatever word the customer typed before it."""
    BEARER = "bearer"
    BASIC = "basic"
    """The secret is ``user:password``."""

    def read(self, value: str) -> bytes:
        """Give what the header says the secret is; raises Unauthentic."""
        if self is Form.EXACT:
            return value.encode()
        word, _, rest = value.partition(" ")
        if word.lower() != self.value:
            raise Unauthentic(f"the header is not of the form {self.value}")
        try:
            return Encoding.BASE64.read(rest) if self is Form.BASIC else rest.encode()
        except ValueError:
            raise Unauthentic("the header is not base64") from None


@dataclass(frozen=True, slots=True)
class StaticSecret:
    """A secret in a header, in one of some forms: whoever has seen one request can make others."""

    header: str = "authorization"
    forms: tuple[Form, ...] = (Form.EXACT,)

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Compare the header with each of the secrets; raises Unauthentic."""
        del now
        value = _header(request, self.header)
        theirs = []
        for form in self.forms:
            with suppress(Unauthentic):
                theirs.append(form.read(value))
        one_of(theirs, secrets)


def one_of(theirs: Sequence[bytes], secrets: Sequence[str]) -> None:
    """Raise Unauthentic unless one of some values is one of the secrets; every pair is compared."""
    if not all(secrets):
        raise SecretUnavailable("a webhook secret is empty")
    # Digests have one length, so that the time taken does not tell that of the secret.
    ours = [hashlib.sha256(secret.encode()).digest() for secret in secrets]
    found = [hashlib.sha256(value).digest() for value in theirs]
    # A list, for `any` alone would stop at the first match.
    matches = [hmac.compare_digest(one, other) for one in found for other in ours]
    if not any(matches):
        raise Unauthentic("the secret does not match")


def _header(request: WebhookRequest, name: str) -> str:
    value = request.header(name)
    if not value or len(value) > LONGEST_HEADER or not value.isascii():
        raise Unauthentic(f"the header {name} is missing, given twice or malformed")
    return value
