"""The whole stack in memory, for those who attack it."""

from tests.redelivery.conftest import start

__all__ = ["start"]
