"""The dependency rule for the functions, which are no packages and so out of the import linter's sight."""

import ast
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
ALLOWED = ("usher.bootstrap", "usher.domain", "usher.ports", "aws_lambda_powertools")


@pytest.mark.parametrize("handler", sorted(FUNCTIONS.rglob("*.py")), ids=lambda path: path.parent.name)
def test_a_handler_translates_and_knows_no_adapter(handler: Path) -> None:
    """It imports the composition root, the domain's and the ports' words, Powertools, and the standard library."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(handler.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names] if node.module == "usher" else [""]
            imported |= {f"{node.module}.{name}".rstrip(".") for name in names}
    ours = {name for name in imported if name.split(".")[0] in ("usher", "boto3", "botocore", "httpx", "pydantic")}

    assert all(name.startswith(ALLOWED) for name in ours), ours
