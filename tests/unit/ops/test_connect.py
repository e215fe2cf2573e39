"""From a stack's outputs, or the state of the local system, to clients of the right things."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from usher.config import STAGES
from usher_local.stack import State
from usher_ops.connect import deployed_system, local_system
from usher_ops.system import System, SystemUnavailable

OUTPUTS = {
    "TableName": "usher-dev-table",
    "SecretsPrefix": "usher-dev",
    "NoticeQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/notices",
}


class Formation:
    """The one call of CloudFormation that is made; its emulation would need a dozen more packages."""

    def __init__(self, stacks: dict[str, dict[str, str]]) -> None:
        self._stacks = stacks

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's name.
        """Give a stack, or fail as AWS does."""
        if StackName not in self._stacks:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")
        outputs = self._stacks[StackName]
        return {
            "Stacks": [
                {
                    "Parameters": [{"ParameterKey": "Stage", "ParameterValue": "dev"}],
                    "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
                }
            ]
        }


class Session(boto3.Session):
    """A session whose account has these stacks."""

    def __init__(self, stacks: dict[str, dict[str, str]]) -> None:
        super().__init__("test", "test", region_name="eu-west-1")
        self._stacks = stacks

    def client(self, service_name: str, *args: Any, **options: Any) -> Any:
        """Make a client."""
        if service_name == "cloudformation":
            return Formation(self._stacks)
        return super().client(service_name, *args, **options)  # type: ignore[call-overload]


@pytest.fixture
def account() -> Iterator[dict[str, str]]:
    """An account in memory with an intake queue; gives the outputs of a stack in it."""
    with mock_aws():
        queue = boto3.client("sqs", "eu-west-1").create_queue(QueueName="intake")["QueueUrl"]
        yield OUTPUTS | {"IntakeQueueUrl": queue}


def connected(outputs: dict[str, str]) -> System:
    """Connect to the one stack that there is."""
    return deployed_system("usher-dev", Session({"usher-dev": outputs}))


def test_a_stack_is_wired_from_its_outputs_and_the_stage_it_was_deployed_with(account: dict[str, str]) -> None:
    """The stage file is that of the checkout."""
    system = connected(account)

    assert (system.name, system.stage.name) == ("usher-dev", "dev")
    assert "sentry-main" in system.stage.policy.connections
    assert system.whoami().startswith("arn:aws:sts::")


def test_a_secret_is_created_below_the_stacks_prefix_and_exchanged_later(account: dict[str, str]) -> None:
    """Two calls, one secret."""
    system = connected(account)

    assert system.put_secret("sentry/sentry-main", "one")
    assert not system.put_secret("sentry/sentry-main", "two")
    vault = boto3.client("secretsmanager", "eu-west-1")
    assert vault.get_secret_value(SecretId="usher-dev/sentry/sentry-main")["SecretString"] == "two"


def test_an_event_is_sent_to_the_intake_queue(account: dict[str, str]) -> None:
    """Nowhere else."""
    system = connected(account)

    message_id = system.send("{}")
    received = boto3.client("sqs", "eu-west-1").receive_message(QueueUrl=account["IntakeQueueUrl"])["Messages"]
    assert [(message["MessageId"], message["Body"]) for message in received] == [(message_id, "{}")]


def test_a_stack_that_is_not_there_is_told_with_the_region_that_was_asked(account: dict[str, str]) -> None:
    """The wrong region is the usual cause."""
    with pytest.raises(SystemUnavailable, match="no stack of this name in eu-west-1"):
        deployed_system("usher-dve", Session({"usher-dev": account}))


def test_a_stack_of_something_else_is_refused(account: dict[str, str]) -> None:
    """It says what is missing."""
    with pytest.raises(SystemUnavailable, match="no output 'TableName'"):
        connected({"BucketName": "photos"})


def state() -> State:
    """What `make up` keeps of a system."""
    return State(
        pid=1,
        started=None,
        sources="",
        digest="",
        endpoint="http://127.0.0.1:4566",
        region="eu-west-1",
        stack="usher-local",
        webhook_url="",
        simulators={},
        addresses={},
        outputs=OUTPUTS | {"IntakeQueueUrl": "http://127.0.0.1:4566/000000000000/intake"},
        seconds={},
    )


def test_the_local_system_is_reached_with_nobodys_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither profile, keys, session token, endpoint nor proxy of the user plays a part."""
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-is-not-there")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUSER")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of the user")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere.example")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")

    system = local_system(state, STAGES)
    client: Any = system.store._client  # type: ignore[attr-defined]
    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.token) == ("test", None)
    assert client._endpoint.http_session._proxy_config._proxies == {}
    assert (system.name, system.stage.name, system.whoami()) == ("the local system", "local", "local")


def test_the_local_system_works_with_the_stage_file_that_it_was_started_with(tmp_path: Path) -> None:
    """`make up` may have been given another one than the shipped."""
    shipped = (STAGES / "local.toml").read_text(encoding="utf-8")
    (tmp_path / "local.toml").write_text(shipped.replace("version = 1", "version = 7", 1), encoding="utf-8")

    assert local_system(state, tmp_path).stage.policy.version == 7


def test_a_local_system_that_is_not_up_says_how_to_start_it() -> None:
    """The one line that a newcomer needs."""
    with pytest.raises(SystemUnavailable, match="start it with: make up"):
        local_system(lambda: None)
