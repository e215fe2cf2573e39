"""`sam build` for this machine: skipped when no source changed, with the stage file of the run put into the layer."""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from usher_local.places import BUILD, HOME, LOGS, ROOT, STAGE, program
from usher_local.processes import run
from usher_local.stage_files import with_addresses

_SOURCES = ("template.yaml", "samconfig.toml", "functions", "layers", "requirements-sam.lock")
_DONE = HOME / "build.json"


def architecture() -> str:
    """This machine's processor, as the template's parameter names it."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def sources_digest() -> str:
    """A digest of everything that a build is made from."""
    digest = hashlib.sha256(architecture().encode())
    for source in _SOURCES:
        path = ROOT / source
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            content = file.read_bytes()
            digest.update(f"{file.relative_to(ROOT)}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def build(sources: str, environment: Mapping[str, str]) -> bool:
    """Build functions and layer unless the last build is of sources of the same digest; says whether it built."""
    if _DONE.exists() and json.loads(_DONE.read_text()) == {"sources": sources}:
        return False
    _DONE.unlink(missing_ok=True)  # A build that is cut short must not pass for a finished one.
    command = [
        program(".venv-sam", "sam"),
        "build",
        "--build-dir",
        str(BUILD),
        "--cached",
        "--cache-dir",
        str(HOME / "cache"),
        "--parallel",
        "--parameter-overrides",
        f"Architecture={architecture()}",
    ]
    # sam looks for a python3.13 that has pip on the PATH; the environment of the project is one.
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    run("sam build", command, {**environment, "PATH": path}, LOGS / "sam-build.log")
    _compile_all(BUILD, environment)
    _DONE.parent.mkdir(exist_ok=True)
    _DONE.write_text(json.dumps({"sources": sources}))
    return True


def _compile_all(folder: Path, environment: Mapping[str, str]) -> None:
    """
    Compile what was built to bytecode that never expires.

    A deployment package dates every file 1980, so that ordinary bytecode looks stale and is compiled again at each
    cold start.
    """
    command = [sys.executable, "-m", "compileall", "-q", "-f", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    run("compileall", [*command, str(folder)], environment, LOGS / "compileall.log")


def put_stage(source: Path, addresses: Mapping[str, str]) -> str:
    """
    Put a stage file into the built layer under the name of the local stage; returns its text.

    `addresses` maps a provider or source to the base URL it shall have; the shipped file is left as it is.
    """
    text = with_addresses(source.read_text(encoding="utf-8"), addresses, source.name)
    target = BUILD / "UsherLayer" / "python" / "usher" / "stages" / f"{STAGE}.toml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return text
