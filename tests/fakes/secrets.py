"""Secrets in a dictionary, behind a cache like the real one."""

from usher.domain.errors import SecretUnavailable


class MemorySecrets:
    """`values` is what the vault holds now; what was read before stays cached until it is refreshed."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.reads = 0
        self._cached: dict[str, str] = {}

    def get(self, name: str) -> str:
        """Give the cached value, or read it."""
        if name not in self._cached:
            self._read(name)
        return self._cached[name]

    def refresh(self, name: str, seen: str) -> bool:
        """Read again; True where the value is another one than `seen`."""
        self._read(name)
        return self._cached[name] != seen

    def forget(self) -> None:
        """Drop the cache, as its age would."""
        self._cached.clear()

    def _read(self, name: str) -> None:
        self.reads += 1
        if not self.values.get(name):
            raise SecretUnavailable(f"secret {name} is missing or empty")
        self._cached[name] = self.values[name]
