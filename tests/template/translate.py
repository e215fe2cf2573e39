"""
Print a SAM template as JSON, as written and as translated for CloudFormation.

Runs under the Python of .venv-sam and needs no AWS account: the translator asks for the managed policies only when
a function names one.
"""

import json
import sys
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform  # type: ignore[import-not-found]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-not-found]


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


def main(path: str) -> None:
    text = Path(path).read_text(encoding="utf-8")
    written: dict[str, Any] = yaml_parse(text)
    parameters = {name: definition["Default"] for name, definition in written["Parameters"].items()}
    packaged = yaml_parse(text)
    for resource in packaged["Resources"].values():
        for folder in ("CodeUri", "ContentUri"):
            if folder in resource.get("Properties", {}):
                resource["Properties"][folder] = "s3://bucket/key"  # As `sam deploy` does before it translates.
    translated = transform(packaged, parameters, _NoManagedPolicies())
    json.dump({"written": written, "translated": translated}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
