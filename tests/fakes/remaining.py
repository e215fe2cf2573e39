"""An invocation with so many seconds left."""


class FixedTime:
    """The time that is left never runs down, since nothing in a test takes time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def seconds(self) -> float:
        """Give the seconds left."""
        return self._seconds
