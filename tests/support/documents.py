"""The documents as tests see them: the blocks of each page in order, each a Python block, a file or a command."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sybil import Document, Example
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from commands import lines

PROJECT = Path(__file__).parents[2]
_INDEX = (PROJECT / "docs" / "README.md").read_text()


def _place(page: Path) -> tuple[int, str]:
    """Where the index names it: readers follow that order."""
    name = str(page.relative_to(PROJECT / "docs"))
    return _INDEX.find(f"({name})") % (len(_INDEX) + 1), name


PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").rglob("*.md"), key=_place),
]
COMMANDS = ("sh", "console")
"""Blocks of commands: as one would put them into a file, or typed after a ``$``, with what is answered."""
_FILE = re.compile(r"\n`([\w/]+\.py)`\n+$")
_NEEDS = re.compile(r"# (needs .+)")


@dataclass(frozen=True)
class Block:
    """One thing that a page shows.

    Attributes:
        page: Its name in the project.
        line: Where it stands.
        kind: ``python``, ``file`` or ``command``.
        text: The code, or the command line.
        needs: What tests have not that it needs; empty when it is run.
        file: The file that the block is, or empty.
        answer: The first line that the page shows a command to answer.
    """

    page: str
    line: int
    kind: str
    text: str
    needs: str = ""
    file: str = ""
    answer: str = ""
    example: Example | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """The blocks of a page, from top to bottom."""
    parsers = [CodeBlockParser("python", PythonEvaluator())]
    parsers += [CodeBlockParser(language, lambda example: None) for language in COMMANDS]
    return tuple(_blocks(page, Document.parse(str(page), *parsers)))


def typed(session: str) -> str:
    """A session with its answers taken out, line by line."""
    said = (line.removeprefix("$ ") if line.startswith("$ ") else "" for line in session.split("\n"))
    return "\n".join(said)


def shown_languages(page: Path) -> set[str]:
    """What its blocks say they are in; nothing where one says nothing."""
    fences = [line.strip()[3:] for line in page.read_text().splitlines() if line.strip().startswith("```")]
    return set(fences[::2])


def _blocks(page: Path, document: Document) -> Iterator[Block]:
    name = str(page.relative_to(PROJECT))
    for example in document.examples():
        text, line = str(example.parsed), example.line
        language = document.text[example.start :].lstrip("`\n").partition("\n")[0]
        if language in COMMANDS:
            for number, command, comment in lines(typed(text) if language == "console" else text):
                found = _NEEDS.search(comment)
                needs, said = found[1] if found else "", text.split("\n")[number + 1 : number + 2]
                answer = said[0] if said and language == "console" else ""
                yield Block(name, line + 1 + number, "command", command, needs, answer=answer)
            continue
        if file := _FILE.search(document.text[: example.start]):
            yield Block(name, line, "file", text, file=file[1])
            continue
        found = _NEEDS.match(text)
        yield Block(name, line, "python", text, found[1] if found else "", example=example)


class Reading:
    """Somebody who reads pages from top to bottom and does what they say.

    Args:
        folder: Where shown files are put; beside the project's own modules, for Python.
        run: Runs a command.
    """

    def __init__(self, folder: Path, run: Callable[[Block], None]) -> None:
        self._folder, self._run = folder, run
        self._done: dict[str, int] = {}

    def up_to(self, block: Block) -> None:
        """Do what the page shows up to this block, as far as it was not done yet."""
        page = blocks(PROJECT / block.page)
        until = page.index(block) + 1
        start = self._done.get(block.page, 0)
        for number in range(start, until):
            self._done[block.page] = number + 1
            if not page[number].needs:
                self._do(page[number])

    def namespace(self, page: str) -> dict[str, Any]:
        """The names that a page's Python has made."""
        return next(b.example.document.namespace for b in blocks(PROJECT / page) if b.example is not None)

    def _do(self, block: Block) -> None:
        if block.kind == "command":
            self._run(block)
        elif block.kind == "file":
            self._write(block)
        else:
            assert block.example is not None
            block.example.evaluate()

    def _write(self, block: Block) -> None:
        path = self._folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        package = importlib.import_module(block.file.rpartition("/")[0].replace("/", "."))
        if str(path.parent) not in package.__path__:
            package.__path__.append(str(path.parent))
        importlib.invalidate_caches()
        importlib.import_module(block.file.removesuffix(".py").replace("/", "."))
