"""Docstrings are written for strangers: an argument's description is a sentence of its own."""

from __future__ import annotations

import ast
import re

from tests.conftest import ROOT

# A description that begins like this cannot be understood without another text, or is a fragment.
FRAGMENT = re.compile(r"^(Of|See|As|From|Likewise|Read|Written|What)\b")


def argument_fragments(docstring: str) -> list[str]:
    """Return the entries of a docstring's "Args" and "Attributes" sections that begin with a word of `FRAGMENT`."""
    found, section = [], None
    for line in docstring.splitlines():
        if header := re.match(r"^(\s*)(Args|Attributes|Returns|Raises|Yields|Examples?):$", line):
            section = header[2]
        elif section in ("Args", "Attributes"):
            entry = re.match(r"^\s+\*{0,2}\w+(?: \([^)]*\))?: (.*)$", line)
            if entry and FRAGMENT.match(entry[1]):
                found.append(line.strip())
    return found


def test_the_check_finds_fragments():
    docstring = (
        "Do it.\n\nArgs:\n    config: Of a pose network.\n    split: Split to read.\n\nRaises:\n    OSError: See there."
    )
    assert argument_fragments(docstring) == ["config: Of a pose network."]


def test_arguments_are_described_by_sentences_of_their_own():
    wrong = []
    for file in [*(ROOT / "interhand_mm").rglob("*.py"), *(ROOT / "tools").glob("*.py"), *(ROOT / "demo").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
                entries = argument_fragments(ast.get_docstring(node) or "")
                wrong += [f"{file.relative_to(ROOT)}: {entry}" for entry in entries]
    assert not wrong, "\n".join(wrong)
