"""
Usher on this machine: template.yaml deployed to ministack, with simulators of the other ends beside it.

    with LocalSystem.start(Options()) as system:
        requests.post(f"{system.state.webhook_url}/canonical", ...)

Three things stand in for what ministack lacks, here and nowhere else: the API's binary media types (`_repair_api`);
its clean-up of its own temporary files (`places.RUN` holds all of them and goes at the end); its habit of removing
containers of the user's Docker (`_emulator_environment` shows it none).
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import boto3
from botocore.config import Config

from usher_local import build
from usher_local.errors import AlreadyRunning, LocalSystemError
from usher_local.places import (
    ATLASSIAN_PORT,
    BUCKET,
    BUILD,
    ENDPOINT,
    GATEWAY_PORT,
    HOME,
    HR_PORT,
    LOCK,
    LOGS,
    LOOPBACK,
    REGION,
    ROOT,
    RUN,
    SECRETS,
    SENTRY_PORT,
    STACK,
    STAGE,
    STATE,
    program,
)
from usher_local.processes import Child, answers, demand_free, run, started_at

_SIMULATORS = {"atlassian": ATLASSIAN_PORT, "sentry": SENTRY_PORT, "hr": HR_PORT}
_SHIPPED_STAGE = ROOT / "layers" / "usher" / "usher" / "stages" / f"{STAGE}.toml"


@dataclasses.dataclass(frozen=True)
class Options:
    """What may differ from run to run; two runs of equal options and sources are the same system."""

    stage_file: Path = _SHIPPED_STAGE
    secrets_file: Path = SECRETS
    addresses: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def digest(self, sources: str) -> str:
        """A digest of the options, of the files they name and of sources of a given digest."""
        parts = [
            _read(self.stage_file),
            _read(self.secrets_file),
            json.dumps(dict(self.addresses), sort_keys=True),
            sources,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class State:
    """A system that is up: where it answers and who runs it. Kept in .local/state.json for other programs."""

    pid: int
    started: str | None
    sources: str
    digest: str
    endpoint: str
    region: str
    stack: str
    webhook_url: str
    simulators: Mapping[str, str]
    addresses: Mapping[str, str]
    outputs: Mapping[str, str]
    seconds: Mapping[str, float]

    def save(self) -> None:
        """Write the state in one step, so that nobody reads half of it."""
        draft = STATE.with_suffix(".draft")
        draft.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")
        draft.replace(STATE)

    @classmethod
    def load(cls) -> Self | None:
        """The system that is up and healthy, if there is one."""
        try:
            state = cls(**json.loads(STATE.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        if started_at(state.pid) != state.started or not _healthy():
            return None
        return state


class LocalSystem:
    """The running system; leaving its context stops it, if this process started it."""

    def __init__(self, state: State, stop: Callable[[], None]) -> None:
        self.state = state
        self._stop = stop

    @classmethod
    def start(cls, options: Options, say: Callable[[str], None] = print) -> Self:
        """
        Bring the system up, or join the one that is up.

        Raises AlreadyRunning when one of other sources or options is up, and other LocalSystemErrors.
        """
        if running := State.load():
            if running.digest != options.digest(build.sources_digest()):
                raise AlreadyRunning("a local system of other sources or options is up; stop it first with: make down")
            say(f"using the local system that process {running.pid} keeps up")
            return cls(running, stop=lambda: None)
        rest = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            state = _bring_up(options, undo, say)
            rest = undo.pop_all()
        return cls(state, stop=rest.close)

    def stop(self) -> None:
        """End everything this process started for the system; does nothing for a system that it joined."""
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def client(service: str) -> Any:
    """A boto3 client of the emulator; the user's own credentials and settings play no part."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    # No proxy either: what goes to this machine stays on it, secrets above all.
    return session.client(service, endpoint_url=ENDPOINT, config=Config(proxies={}))  # type: ignore[call-overload]


def environment() -> dict[str, str]:
    """This process's environment for programs that talk to the emulator: nothing of the user's AWS is left in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_CLI_"))}
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": f"{LOOPBACK},localhost",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",
        "TMPDIR": str(RUN),
        "__SAM_CLI_APP_DIR": str(HOME / "sam"),  # Or it would keep notes in the user's home.
    }


def _bring_up(options: Options, undo: contextlib.ExitStack, say: Callable[[str], None]) -> State:
    HOME.mkdir(exist_ok=True)
    undo.enter_context(_only_one())
    seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        seconds[name] = round(time.monotonic() - begun, 1)
        say(f"  {name}: {seconds[name]} s")

    demand_free(GATEWAY_PORT, *_SIMULATORS.values())
    sources = build.sources_digest()
    digest = options.digest(sources)
    STATE.unlink(missing_ok=True)
    shutil.rmtree(RUN, ignore_errors=True)  # Left over by a run that was killed.
    RUN.mkdir()
    undo.callback(shutil.rmtree, RUN, ignore_errors=True)
    undo.callback(STATE.unlink, missing_ok=True)

    with step("emulator and simulators"):
        emulator = Child.start(
            "ministack", [program(".venv-local", "ministack")], _emulator_environment(), LOGS / "ministack.log"
        )
        undo.callback(emulator.stop)
        simulators = Child.start(
            "simulators",
            [sys.executable, "-m", "usher_local.simulators"],
            environment() | {"PYTHONPATH": str(ROOT / "local")},
            LOGS / "simulators.log",
        )
        undo.callback(simulators.stop)
        emulator.wait_until(_healthy)
        simulators.wait_until(lambda: all(answers(port) for port in _SIMULATORS.values()))
    with step("sam build"):
        if not build.build(sources, environment()):
            say("  (no source changed since the last build)")
        build.put_stage(options.stage_file, options.addresses)
    with step("sam deploy"):
        outputs = _deploy()
        _repair_api(outputs["ApiId"])
        put_secrets(outputs["SecretsPrefix"], json.loads(_read(options.secrets_file)))

    state = State(
        pid=os.getpid(),
        started=started_at(os.getpid()),
        sources=sources,
        digest=digest,
        endpoint=ENDPOINT,
        region=REGION,
        stack=STACK,
        webhook_url=f"{ENDPOINT}/restapis/{outputs['ApiId']}/{outputs['ApiStage']}/_user_request_/hr",
        simulators={name: f"http://{LOOPBACK}:{port}" for name, port in _SIMULATORS.items()},
        addresses=dict(options.addresses),
        outputs=outputs,
        seconds=seconds,
    )
    state.save()
    return state


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Hold the lock of the local system; the kernel frees it when we die, however that happens."""
    with LOCK.open("a") as held:
        _lock(held)
        yield


def _lock(held: IO[str]) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning("another run of the local system is coming up or going down; try again") from None


def _emulator_environment() -> dict[str, str]:
    return environment() | {
        "BIND_HOST": LOOPBACK,
        "IOT_MTLS_PORT": "off",
        "GATEWAY_PORT": str(GATEWAY_PORT),
        "MINISTACK_HOST": LOOPBACK,  # Queue URLs name it.
        "MINISTACK_REGION": REGION,
        "LAMBDA_EXECUTOR": "local",
        "STATE_DIR": str(RUN / "state"),
        "S3_DATA_DIR": str(RUN / "s3"),
        "DOCKER_HOST": f"unix://{RUN / 'no-docker'}",  # It would remove containers of another ministack.
    }


def _healthy() -> bool:
    try:
        with urllib.request.urlopen(f"{ENDPOINT}/_ministack/health", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _deploy() -> dict[str, str]:
    client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    command = [
        program(".venv-sam", "sam"),
        "deploy",
        "--config-env",
        STAGE,
        "--config-file",
        str(ROOT / "samconfig.toml"),
        "--template-file",
        str(BUILD / "template.yaml"),
        "--parameter-overrides",
        f"Stage={STAGE}",
        f"Architecture={build.architecture()}",
    ]
    run("sam deploy", command, environment(), LOGS / "sam-deploy.log")
    (stack,) = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _repair_api(api: str) -> None:
    """
    Make bodies arrive as bytes, as API Gateway delivers them.

    ministack takes `*~1*` from the template literally, and so would decode every body as text. Its patch operation
    takes a list where AWS takes a path, which no AWS client sends: hence a plain request.
    """
    patch = {"patchOperations": [{"op": "replace", "path": "/binaryMediaTypes", "value": ["*/*"]}]}
    request = urllib.request.Request(  # noqa: S310
        f"{ENDPOINT}/restapis/{api}",
        method="PATCH",
        data=json.dumps(patch).encode(),
        headers={
            "content-type": "application/json",
            "authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/apigateway/aws4_request",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        if json.load(answer).get("binaryMediaTypes") != ["*/*"]:
            raise LocalSystemError("ministack did not take the API's binary media types")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise LocalSystemError(f"cannot read {file}: {error.strerror}") from None


def put_secrets(prefix: str, secrets: Mapping[str, object]) -> None:
    """Put secrets by their names below the prefix; text is put as it is, everything else as JSON."""
    manager = client("secretsmanager")
    for name, value in secrets.items():
        text = value if isinstance(value, str) else json.dumps(value)
        try:
            manager.create_secret(Name=f"{prefix}/{name}", SecretString=text)
        except manager.exceptions.ResourceExistsException:
            manager.put_secret_value(SecretId=f"{prefix}/{name}", SecretString=text)
