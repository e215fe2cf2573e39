"""
Fuzz: ``python -m tests.fuzz RUNS CORPUS [SEED]``, where atheris is (Linux).

Inputs that opened something new are kept in the folder CORPUS and tried again first; one that ends in an untyped error
is left in it as ``crash-...`` and the command fails. The inputs to begin with are made anew from the contract.
"""

import ast
import json
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["usher"]):
    from tests.contracts.json_parts import DROPPED, STRANGE, changed, places
    from tests.fuzz.doors import END_OF_ANSWER, END_OF_HEAD, Door, all_doors, knock
    from usher import domain, sources

LONGEST_INPUT = 8192
_KINDS: tuple[Any, ...] = (None, True, 0, "", [], {})
_CODE = tuple(Path(module.__path__[0]) for module in (domain, sources))


def words_of_the_code() -> set[str]:
    """Give the texts of the readers' code: names of fields, events and states that no fuzzer would guess."""
    found = set()
    for path in (path for folder in _CODE for path in folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and 1 < len(node.value) <= 40:
                found.add(node.value)
    return found


NAMES = sorted(words_of_the_code())


def main() -> None:
    """Run the fuzzer; it ends the process itself."""
    runs, corpus, *seed = sys.argv[1:]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    doors = all_doors()
    beginnings = folder / "beginnings"
    write_beginnings(doors, beginnings)
    words = folder / "words.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in NAMES), encoding="ascii")
    options = [f"-runs={runs}", f"-seed={seed[0] if seed else 1}", f"-dict={words}", f"-max_len={LONGEST_INPUT}"]
    options += [f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    found = folder / "found"
    found.mkdir(exist_ok=True)
    atheris.Setup(
        [sys.argv[0], *options, str(found), str(beginnings)], lambda data: knock(doors, data), custom_mutator=mutated
    )
    atheris.Fuzz()


def write_beginnings(doors: tuple[Door, ...], folder: Path) -> None:
    """Write the inputs that every door begins with, and nothing of an earlier run: doors may have moved."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for index, door in enumerate(doors):
        for number, seed in enumerate(door.seeds):
            (folder / f"{door.name}-{number}").write_bytes(bytes([index]) + seed)


def mutated(data: bytes, largest: int, seed: int) -> bytes:
    """Change one part of the JSON in an input, or any bytes of it, as often the one as the other."""
    chance = random.Random(seed)  # noqa: S311 - libFuzzer's own seed: a run can be repeated.
    if chance.random() < 0.5:
        messages = data.split(END_OF_ANSWER)
        index = chance.randrange(len(messages))
        head, end, body = messages[index].partition(END_OF_HEAD)
        with suppress(ValueError, RecursionError):
            messages[index] = head + end + json.dumps(_varied(json.loads(body), chance)).encode()
            made = END_OF_ANSWER.join(messages)
            if len(made) <= largest:
                return made
    return bytes(atheris.Mutate(data, largest))


def _varied(value: Any, chance: random.Random) -> Any:
    """Put another part into one place, or one more beside it under a name that the code knows."""
    parts = (DROPPED, *_KINDS) if chance.random() < 0.5 else (*STRANGE, *_parts(value))
    part, path = chance.choice(parts), chance.choice(list(places(value)))
    if chance.random() < 0.25 and path and isinstance(path[-1], str):
        path = (*path[:-1], chance.choice(NAMES))
        part = chance.choice(list(_parts(value))) if part is DROPPED else part
    return changed(value, path, part)


def _parts(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _parts(part)


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    main()
