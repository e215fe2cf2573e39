"""The one module of the command that knows AWS: from a stack's outputs, or the local system's, to a `System`."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from usher.aws.clients import Clients
from usher.bootstrap import Stack
from usher.config import Environment, load_stage
from usher_local.places import BUILD
from usher_local.stack import State
from usher_ops.system import System, SystemUnavailable

_LOCAL_STAGE = BUILD / "UsherLayer" / "python" / "usher" / "stages"


def connect(stack: str | None, *, local: bool) -> System:
    """Find the system that was asked for; raises SystemUnavailable, BadPolicy and botocore's errors."""
    return local_system(State.load) if local else deployed_system(stack or "", boto3.Session())


def deployed_system(name: str, session: boto3.Session) -> System:
    """Wire a stack of this account and region from its outputs; the stage file is that of this checkout."""
    try:
        (found,) = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        raise SystemUnavailable(
            f"there is no stack of this name in {session.region_name}; `make deploy` makes one, and AWS_REGION or "
            "AWS_PROFILE choose another region or account"
        ) from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    parameters = {given["ParameterKey"]: given["ParameterValue"] for given in found.get("Parameters", [])}
    stack = Stack(_environment(name, parameters.get("Stage", ""), outputs), Clients(session))
    return _system(name, stack, outputs, lambda: str(session.client("sts").get_caller_identity()["Arn"]))


def local_system(load: Callable[[], State | None], stages: Path = _LOCAL_STAGE) -> System:
    """Wire the system that `make up` runs, with the stage file that it was started with."""
    state = load()
    if state is None:
        raise SystemUnavailable("it is not running; start it with: make up")
    stack = Stack(
        _environment("the local system", "local", state.outputs),
        Clients(_session_of_nobody(state.region), endpoint_url=state.endpoint),
    )
    stack.stage = load_stage(stages / "local.toml", stack.providers, stack.sources)
    return _system("the local system", stack, state.outputs, lambda: "local")


def _environment(name: str, stage: str, outputs: Mapping[str, str]) -> Environment:
    try:
        return Environment.of(
            {
                "USHER_STAGE": stage,
                "USHER_TABLE": outputs["TableName"],
                "USHER_SECRETS_PREFIX": outputs["SecretsPrefix"],
                "USHER_NOTICE_QUEUE_URL": outputs["NoticeQueueUrl"],
            }
        )
    except KeyError as missing:
        raise SystemUnavailable(f"{name} has no output {missing}: is it a stack of Usher, fully deployed?") from None


def _system(name: str, stack: Stack, outputs: Mapping[str, str], whoami: Callable[[], str]) -> System:
    def put_secret(secret: str, value: str) -> bool:
        manager, full_name = stack.clients.secretsmanager, f"{stack.environment.secrets_prefix}/{secret}"
        try:
            manager.put_secret_value(SecretId=full_name, SecretString=value)
        except manager.exceptions.ResourceNotFoundException:
            manager.create_secret(Name=full_name, SecretString=value, Description="Put by `usher secrets set`.")
            return True
        return False

    def send(body: str) -> str:
        return stack.clients.sqs.send_message(QueueUrl=outputs["IntakeQueueUrl"], MessageBody=body)["MessageId"]

    return System(
        name=name,
        stage=stack.stage,
        store=stack.store,
        go_live=stack.go_live,
        take_up_again=stack.take_up_again,
        approve=stack.approve,
        take_secret=stack.take_secret,
        asked={name for name, source in stack.listened_to.items() if source.details or source.listing},
        clock=stack.clock,
        whoami=whoami,
        put_secret=put_secret,
        send=send,
    )


def _session_of_nobody(region: str) -> boto3.Session:
    """Make a session that reads neither the user's AWS files and profile nor a proxy: it only speaks to loopback."""
    core = botocore.session.Session(
        session_vars={
            "profile": (None, [], None, None),
            "config_file": (None, [], os.devnull, None),
            "credentials_file": (None, [], os.devnull, None),
        }
    )
    core.set_default_client_config(Config(proxies={}))
    return boto3.Session("test", "test", region_name=region, botocore_session=core)
