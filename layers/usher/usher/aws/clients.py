"""One session and one client of each service, made when first used and kept for the life of the process."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

# Short time-outs and few retries: a function has seconds, and every caller knows what to do with a failure.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "max_attempts": 3},
    max_pool_connections=10,
)


class Clients:
    """Makes clients of one session; `options` go to each of them (an endpoint, credentials)."""

    def __init__(self, session: boto3.Session | None = None, **options: Any) -> None:
        self._session = session or boto3.Session()
        self._options = options

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """The table's client."""
        return self._session.client("dynamodb", config=_CONFIG, **self._options)

    @cached_property
    def sqs(self) -> "SQSClient":
        """The queues' client."""
        return self._session.client("sqs", config=_CONFIG, **self._options)

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        """The secrets' client."""
        return self._session.client("secretsmanager", config=_CONFIG, **self._options)
