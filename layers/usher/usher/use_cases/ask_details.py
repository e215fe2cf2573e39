"""Ask the HR system of a source who the person behind a thin notice is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError

from usher.domain.errors import BadEvent, DetailsUnavailable, Problem
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.ports import Clock, Details, Secrets, SourceSettings

LEFT_IN_PEACE = timedelta(seconds=15)
"""How long a process does not ask an HR system that did not answer: others of the batch would wait as long."""


@dataclass(frozen=True, slots=True)
class AskDetails:
    """One process's questions to the HR systems; one that does not answer is left in peace for a moment."""

    details: Mapping[str, Details]
    sources: Mapping[str, SourceSettings]
    secrets: Secrets
    clock: Clock
    _unanswered: dict[str, datetime] = field(default_factory=dict, init=False, repr=False)
    """Until when the system of a source is not asked."""

    def __call__(self, notice: Notice) -> NewHire:
        """
        Give the person; somebody taken back may be gone there, so that needs no question.

        Raises DetailsUnavailable (ask later, or `final`), SecretUnavailable, or BadEvent (what was given is unfit).
        """
        if notice.change is Change.CANCELLED:
            return _cancelled(notice)
        details = self.details.get(notice.source)
        settings = self.sources.get(notice.source)
        if details is None or settings is None:
            raise DetailsUnavailable("this stage has no settings to ask the source for details", final=True)
        now = self.clock.now()
        left = (notice.received_at + details.stale_for - now).total_seconds()
        if left > 0:
            raise DetailsUnavailable("the HR system may still answer with what was before", retry_after=left)
        if (until := self._unanswered.get(notice.source, now)) > now:
            left = (until - now).total_seconds()
            raise DetailsUnavailable("the HR system did not answer a moment ago", retry_after=left)
        secret = self.secrets.get(f"hr-api/{notice.source}")
        try:
            return details.fetch(notice, settings, secret, now)
        except DetailsUnavailable as error:
            if not error.final:
                pause = LEFT_IN_PEACE if error.retry_after is None else timedelta(seconds=error.retry_after)
                self._unanswered[notice.source] = self.clock.now() + pause
            raise


def _cancelled(notice: Notice) -> NewHire:
    try:
        return NewHire(
            source=notice.source,
            hire_id=notice.subject or "",
            version=as_version(notice.received_at),
            change=Change.CANCELLED,
        )
    except ValidationError as error:
        raise BadEvent(Problem("subject", "is not an id that can be used")) from error
