"""How fast a schedule's connections may be used: tight enough that a handful of people meets every limit."""

from dataclasses import dataclass
from random import Random

from usher.domain.mass_guard import GuardRules
from usher.domain.rate import Rate


@dataclass(frozen=True, slots=True)
class Pacing:
    """A request rate and a daily budget for each connection, and the company's guard; None where there is no limit."""

    rate: Rate | None = None
    invites_per_day: int | None = None
    most_per_hour: int | None = None

    @property
    def guard(self) -> GuardRules:
        """The guard's rules; without a limit of its own it never stops a schedule's few people."""
        return GuardRules() if self.most_per_hour is None else GuardRules(most_per_hour=self.most_per_hour)

    def __str__(self) -> str:
        rate = f"{self.rate.requests} requests in {self.rate.per:g} s" if self.rate else "any rate"
        guard = f"{self.most_per_hour or self.guard.most_per_hour} an hour"
        return f"{rate}, {self.invites_per_day or 'any number'} a day, {guard}"


FREE = Pacing()


def paced(random: Random, provider: str, *, crowd: bool) -> Pacing:
    """Draw what a crowd meets, and now and then others; only the Sentry-like provider has a budget."""
    if not crowd and random.random() > 0.15:
        return FREE
    rate, budget, guard = (random.random() < chance for chance in (0.45, 0.6, 0.4))
    a_day = (1, 5, 5, 6) if crowd else (1, 2)
    pacing = Pacing(
        rate=Rate(requests=random.randint(3, 7), per=random.choice((20, 60, 120))) if rate else None,
        invites_per_day=random.choice(a_day) if budget and provider == "sentry" else None,
        most_per_hour=random.choice((1, 2, 4) if crowd else (1, 2)) if guard else None,
    )
    return pacing if pacing != FREE else Pacing(rate=Rate(requests=4, per=60))
