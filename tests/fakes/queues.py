"""Queues as lists."""

from collections.abc import Sequence

from usher.domain.errors import QueueUnavailable
from usher.domain.hire import HireKey
from usher.domain.invitation import InvitationKey
from usher.domain.notice import Notice


class MemoryQueues:
    """Remembers what was sent, in order; refuses when it is told to."""

    def __init__(self) -> None:
        self.announced: list[Notice] = []
        self.notices_woken: list[str] = []
        self.hires_woken: list[HireKey] = []
        self.feeds_woken: list[str] = []
        self.woken: list[tuple[str, list[InvitationKey]]] = []
        self._refuses = False

    def refuse(self) -> None:
        """Take no message from now on."""
        self._refuses = True

    def accept(self) -> None:
        """Take messages again."""
        self._refuses = False

    def announce(self, notices: Sequence[Notice]) -> None:
        """Keep notices."""
        self._check()
        self.announced += notices

    def wake_planning(
        self, *, notices: Sequence[str] = (), hires: Sequence[HireKey] = (), feeds: Sequence[str] = ()
    ) -> None:
        """Keep what planning is woken for."""
        self._check()
        self.notices_woken += notices
        self.hires_woken += hires
        self.feeds_woken += feeds

    def wake_sending(self, provider: str, keys: Sequence[InvitationKey]) -> None:
        """Keep what a provider's sender is woken for."""
        self._check()
        self.woken.append((provider, list(keys)))

    def _check(self) -> None:
        if self._refuses:
            raise QueueUnavailable("the queue does not answer")
