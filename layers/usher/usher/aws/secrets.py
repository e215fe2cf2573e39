"""Secrets Manager behind a short-lived cache."""

from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from usher.domain.errors import SecretUnavailable
from usher.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAXIMUM_AGE = timedelta(seconds=60)


class SecretsManager:
    """
    Reads ``<prefix>/<name>``, at most once a minute for each name and process.

    A value is never written to a log or an error; a failure is not cached, so a mended secret is found at once.
    """

    def __init__(self, client: "SecretsManagerClient", prefix: str, clock: Clock) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._cached: dict[str, tuple[float, str]] = {}

    def get(self, name: str) -> str:
        """Give a secret's value; raises SecretUnavailable."""
        cached = self._cached.get(name)
        if cached is not None and self._clock.monotonic() - cached[0] < MAXIMUM_AGE.total_seconds():
            return cached[1]
        return self._read(name)

    def refresh(self, name: str, seen: str) -> bool:
        """Read a secret again after it was refused; True where the value is another one than `seen`."""
        return self._read(name) != seen

    def _read(self, name: str) -> str:
        try:
            value = self._client.get_secret_value(SecretId=f"{self._prefix}/{name}").get("SecretString", "")
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "an error")
            raise SecretUnavailable(f"secret {name} cannot be read: {code}") from None
        except BotoCoreError as error:
            raise SecretUnavailable(f"secret {name} cannot be read: {type(error).__name__}") from None
        if not value.strip():
            raise SecretUnavailable(f"secret {name} is empty")
        self._cached[name] = (self._clock.monotonic(), value)
        return value
