"""Choices that a contract leaves open: each is a switch with a default, so that a client can meet all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class BadSwitch(ValueError):
    """A switch that does not exist, or a value that it does not have."""


@dataclass(frozen=True)
class Switch:
    """One choice; without `others`, every value of the default's type is one (or none at all, where it is None)."""

    name: str
    default: Any
    others: tuple[Any, ...]
    says: str

    def check(self, value: Any) -> None:
        """Raise BadSwitch for a value that means nothing."""
        values = (self.default, *self.others)
        if self.others or isinstance(self.default, bool):
            is_known = any(value == known and type(value) is type(known) for known in values) or (
                isinstance(self.default, bool) and isinstance(value, bool)
            )
        elif self.default is None or isinstance(self.default, int | float):
            is_known = not isinstance(value, bool) and isinstance(value, int | float | None)
        else:
            is_known = isinstance(value, type(self.default))
        if not is_known:
            raise BadSwitch(f"{self.name} cannot be {value!r}: {self.says}")


def check_switches(table: Sequence[Switch], asked: Mapping[str, Any]) -> None:
    """Raise BadSwitch for the first that does not exist or does not fit."""
    known = {switch.name: switch for switch in table}
    for name, value in asked.items():
        if name not in known:
            raise BadSwitch(f"there is no switch {name}; there are {', '.join(sorted(known))}")
        known[name].check(value)
