"""The people whom all simulated HR systems know: one list, and each system knows some of them by ids of its own."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.hr_secrets import Secrets
from usher_local.simulators.server import Simulator

STATUSES = ("active", "draft", "left", "deleted")


@dataclass(frozen=True)
class Person:
    """
    One person, of whom each system tells in its own shape.

    `ids` has the person's id in each system that knows them. `custom_fields` are those that a customer made; BambooHR,
    Okta and Entra tell them under their own names. A draft is nobody's hire yet; who is deleted is known no more, but
    where a system keeps the deleted.
    """

    changed_at: datetime
    ids: Mapping[str, str]
    given_name: str
    family_name: str
    start_date: str
    work_email: str | None = None
    personal_email: str | None = None
    title: str | None = None
    department: str | None = None
    location: str | None = None
    status: str = "active"
    custom_fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, told: Mapping[str, Any], now: datetime) -> Self:
        """Read a person of a seed, who changes now; raises KeyError or TypeError for what nobody has."""
        unknown = told.keys() - ({item.name for item in fields(cls)} - {"changed_at"})
        if unknown:
            raise KeyError(f"a person has no {', '.join(sorted(unknown))}")
        person = cls(**told, changed_at=now)
        if person.status not in STATUSES:
            raise KeyError(f"a status is one of {', '.join(STATUSES)}")
        try:
            date.fromisoformat(person.start_date)
        except ValueError:
            raise KeyError("a start_date is YYYY-MM-DD") from None
        return person

    @property
    def name(self) -> str:
        """Both names, as one text."""
        return f"{self.given_name} {self.family_name}"

    @property
    def millis(self) -> int:
        """When the person was changed last, in milliseconds since 1970."""
        return int(self.changed_at.timestamp() * 1000)

    @property
    def moment(self) -> str:
        """When the person was changed last, in ISO 8601."""
        return f"{self.changed_at:%Y-%m-%dT%H:%M:%S.000Z}"


class Company:
    """The people, and the secrets by which each system is asked."""

    def __init__(self, simulator: Simulator["Company"]) -> None:
        self._simulator = simulator
        self.secrets = Secrets(simulator.clock)
        self._people: dict[tuple[str, str], list[Person]] = {}
        self._asked: Counter[tuple[str, str]] = Counter()

    def seed(self, data: Mapping[str, Any]) -> None:
        """Take secrets by the names of systems, and people; who is known by an id already is changed."""
        self.secrets.take(data.get("secrets", {}))
        for told in data.get("people", []):
            person = Person.read(told, self.now())
            for key in person.ids.items():
                self._people.setdefault(key, []).append(person)
                self._asked.pop(key, None)

    def state(self) -> Any:
        """Give everybody as they are now, once for each system that knows them."""
        return {
            "/".join(key): asdict(states[-1]) | {"changed_at": states[-1].moment}
            for key, states in self._people.items()
        }

    def knows(self, request: Request) -> bool:
        """Say whether the secret is that of the system that is asked."""
        return self.secrets.fit(request)

    def now(self) -> datetime:
        """Give the time."""
        return self._simulator.clock()

    def switch(self, name: str) -> Any:
        """Give the value of a switch."""
        return self._simulator.switches[name]

    def person(self, system: str, number: str) -> Person | None:
        """Give a person as they are told of: after `lag`, and with an address after `address_after` answers."""
        known = self.known(system, number)
        if known is None:
            return None
        self._asked[system, number] += 1
        is_early = self._asked[system, number] <= self.switch("address_after")
        return replace(known, work_email=None) if is_early else known

    def known(self, system: str, number: str) -> Person | None:
        """Give a person where no address is told, so that it is no answer about one."""
        seen = self.seen(system, number)
        return None if seen is None or seen.status == "deleted" else seen

    def seen(self, system: str, number: str) -> Person | None:
        """Give the newest state of a person that reads show, also if that is deleted."""
        until = self.now() - timedelta(seconds=self.switch("lag"))
        shown = [state for state in self._people.get((system, number), []) if state.changed_at <= until]
        return shown[-1] if shown else None

    def history(self, system: str) -> list[tuple[str, Person]]:
        """Give each state of each person that a system knows, and whether it was the first: `created` or `updated`."""
        return [
            ("updated" if index else "created", state)
            for (known_by, _), states in self._people.items()
            if known_by == system
            for index, state in enumerate(states)
        ]

    def is_ahead(self, person: Person) -> bool:
        """Say whether the first day is yet to come."""
        return person.start_date > self.now().date().isoformat()


@dataclass(frozen=True)
class Question:
    """What is asked about one person whom the system knows, under the id that it has for them."""

    company: Company
    request: Request
    number: str
    person: Person


def by_id(system: str, tell: Callable[[Question], Any]) -> Callable[[Company, Request], Answer]:
    """Make what handles a route with the id of a person: it answers what is told of them, or 404."""

    def handle(company: Company, request: Request) -> Answer:
        number = request.match["id"]
        person = company.person(system, number)
        return Answer(404) if person is None else Answer(200, tell(Question(company, request, number, person)))

    return handle


def token(company: Company, request: Request) -> Answer:
    """Give a token for client credentials."""
    return Answer(200, company.secrets.new_token(request))
