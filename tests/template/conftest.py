import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.template.rules import Resources, of_type

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The template as written, and as CloudFormation gets it: the SAM translator lives in an environment of its own."""
    python = ROOT / ".venv-sam" / "bin" / "python"
    assert python.exists(), "the SAM environment is missing; run: make setup"
    answer = subprocess.run(
        [python, Path(__file__).with_name("translate.py"), ROOT / "template.yaml"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-west-1"},
    )
    assert answer.returncode == 0, answer.stderr
    translated: dict[str, Any] = json.loads(answer.stdout)
    return translated


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> Resources:
    translated: Resources = template["translated"]["Resources"]
    return translated


@pytest.fixture(scope="module")
def mappings(resources: Resources) -> list[dict[str, Any]]:
    return [properties for _, properties in of_type(resources, "AWS::Lambda::EventSourceMapping")]
