"""
Everything that Usher raises on purpose.

UsherError
├── BadAddress             an e-mail address that is not used as one
├── BadEvent               an event with fields that do not fit, all of them named
├── BadPolicy              a stage file that must not be loaded
├── Unauthentic            a request whose sender cannot be believed
├── UnknownSource          a source that this stage does not listen to
├── UnfitRequest           a request that is refused before anything of it is believed
│   ├── BodyTooLarge       more bytes than an announcement has
│   ├── BodyCompressed     bytes that would have to be unfolded first
│   ├── BodyNotUnderstood  bytes of a kind that the source does not read
│   └── NotAPost           a verb that announces nothing
├── DetailsUnavailable     the HR system did not give the details of a thin notice (yet)
├── SecretUnavailable      a secret that is missing, empty or unreadable
├── QueueUnavailable       a queue did not take a message
└── StoreUnavailable       the table did not answer
"""

from dataclasses import dataclass


class UsherError(Exception):
    """The base of every error that Usher raises on purpose."""


class BadAddress(UsherError):
    """The text is not an address that Usher uses; says why without repeating the text."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (a field's path) and what."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class BadEvent(UsherError):
    """An event that cannot be used; carries every problem at once, never a value of the event."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class BadPolicy(UsherError):
    """A stage file that must not be loaded; the message names file, rule or connection, and field."""


class Unauthentic(UsherError):
    """The request is not from whom it says; one refusal for every cause."""


class UnknownSource(UsherError):
    """This stage does not listen to a source of this name."""


class UnfitRequest(UsherError):
    """A request that is refused before anything of it is believed."""


class BodyTooLarge(UnfitRequest):
    """The body has more bytes than an announcement has."""


class BodyCompressed(UnfitRequest):
    """The body would have to be unfolded first, and a few bytes can unfold to gigabytes."""


class BodyNotUnderstood(UnfitRequest):
    """The content type says that the body is of a kind that the source does not read."""


class NotAPost(UnfitRequest):
    """The verb announces nothing, and the request is no handshake of this source."""


class DetailsUnavailable(UsherError):
    """The HR system did not give the details of a hire; `final` when asking again cannot help."""

    def __init__(self, reason: str, *, final: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.final = final
        self.retry_after = retry_after


class SecretUnavailable(UsherError):
    """A secret is missing, empty, malformed or may not be read."""


class QueueUnavailable(UsherError):
    """A queue did not take a message; the sender must try again."""


class StoreUnavailable(UsherError):
    """The table did not answer, or answered that it is too busy."""
