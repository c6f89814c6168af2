"""Documents, sections, links and paths that the text of the project names must exist.

The form of a citation is ``docs/spec/datasets.md, section 2.2, step 4`` (docs/spec/README.md). The checks are pure
functions of a root folder, so that the tests can also show that each of them fails on a planted mistake.
"""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

CODE_FOLDERS = ("interhand_mm", "configs", "tools", "demo", "tests")
# Files that a reader creates, or patterns; paths inside other projects; paths relative to a config.
_PLACEHOLDER = re.compile(r"(^|[/_])my_|[<>$]|\.\.\.|[A-Z]{4,}")
_ELSEWHERE = ("hand_3d_keypoint/", "../")

_NUMBER = r"\d+(?:\.\d+)*"
_NUMBERS = rf"{_NUMBER}(?:(?:, and |, | and | to ){_NUMBER})*"
_TAIL = rf"(?:,? sections (?P<sections>{_NUMBERS})|,? section (?P<section>{_NUMBER}))?"
_STEPS = rf"(?:, steps (?P<steps>{_NUMBERS})|, step (?P<step>\d+))?"
_CITATION = re.compile(rf"(?P<path>[\w./-]*\w\.md)(?:`|\)|\]\([^)]*\))?{_TAIL}{_STEPS}")
_OWN_SECTION = re.compile(rf"\bsections? (?P<sections>{_NUMBERS})")
_OLD_FORM = re.compile(r"docs/spec/\w+\.md:? \d")
_LINK = re.compile(r"\[[^\]\[]*(?:\[[^\]]*\][^\]\[]*)*\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?<![\w./{<-])((?:[\w.{},*-]+/)+[\w.{},*-]*[\w}*]\.(?:py|sh))(?![\w/])")


@cache
def _sections(document: Path) -> dict[str, set[int]]:
    """Return the numbered sections of a Markdown document, each with the numbers of its list items."""
    found: dict[str, set[int]] = {}
    current: set[int] = set()
    for line in document.read_text().splitlines():
        if heading := re.match(rf"#+ ({_NUMBER})\.? ", line):
            current = found.setdefault(heading[1], set())
        elif line.startswith("#"):
            current = set()
        elif item := re.match(r"(\d+)\. ", line):
            current.add(int(item[1]))
    return found


def _joined(text: str) -> tuple[str, list[int]]:
    """Return the text with line breaks and comment signs as one space, and the line number of every character."""
    out: list[str] = []
    lines: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = re.sub(r"^\s*(?:#:?|//)?\s*", "", line).rstrip() + " "
        out.append(stripped)
        lines += [number] * len(stripped)
    return "".join(out), lines


def prose_of_python(text: str, docstrings_only: bool = False) -> str:
    """Return a Python source with everything but comments and strings blanked, line numbers kept."""
    lines = [""] * (text.count("\n") + 2)
    kinds = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    starts_line = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (token.type in kinds and (starts_line or not docstrings_only)):
            for offset, part in enumerate(token.string.splitlines()):
                lines[token.start[0] - 1 + offset] += " " + part.strip()
        starts_line = token.type in (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT)
    return "\n".join(lines)


def _numbers(text: str | None) -> list[str]:
    return re.findall(_NUMBER, text or "")


def _document(root: Path, file: Path, name: str) -> Path | None:
    """Return the cited document: relative to the root or to the file that cites it, or None."""
    return next((path for base in (root, file.parent) if (path := base / name).is_file()), None)


def citation_faults(root: Path, file: Path, text: str) -> Iterator[str]:
    """Yield one line for every document, section or step that the text cites and that does not exist."""
    joined, lines = _joined(text)
    where = file.relative_to(root)
    for match in _CITATION.finditer(joined):
        start = f"{where}:{lines[match.start()]}:"
        name = match["path"]
        if _PLACEHOLDER.search(name.rsplit("/", 1)[0] + "/") or joined[: match.start()].endswith(("://", "*")):
            continue
        document = _document(root, file, name)
        if document is None:
            if not joined[: match.start()].endswith("]("):  # `link_faults` reports those
                yield f"{start} {name} does not exist"
            continue
        sections = _sections(document)
        cited = _numbers(match["sections"] or match["section"])
        yield from (f"{start} {name} has no section {number}" for number in cited if number not in sections)
        for step in map(int, _numbers(match["steps"] or match["step"])):
            if cited and step not in sections.get(cited[-1], {step}):
                yield f"{start} {name}, section {cited[-1]} has no step {step}"
    for match in _OLD_FORM.finditer(joined):
        yield f"{where}:{lines[match.start()]}: write {match[0][:-1].rstrip(': ')}, section N"


def own_section_faults(root: Path, file: Path, text: str) -> Iterator[str]:
    """Yield one line for every section that a page of docs/spec cites of itself and does not have."""
    joined, lines = _joined(text)
    others = [range(*match.span()) for match in _CITATION.finditer(joined)]
    for match in _OWN_SECTION.finditer(joined):
        if any(match.start() in other for other in others):
            continue
        missing = [number for number in _numbers(match["sections"]) if number not in _sections(file)]
        yield from (f"{file.relative_to(root)}:{lines[match.start()]}: no section {number}" for number in missing)


@cache
def _anchors(document: Path) -> set[str]:
    """Return the anchors of a Markdown document's headings, as GitHub and as Python-Markdown form them."""
    names = [
        re.sub(r"[`*]|\]\([^)]*\)|\[", "", h) for h in re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    ]
    plain = [re.sub(r"[^\w\s-]", "", name).strip().lower() for name in names]
    return {re.sub(r"\s", "-", name) for name in plain} | {re.sub(r"[-\s]+", "-", name) for name in plain}


def link_faults(root: Path, file: Path, text: str) -> Iterator[str]:
    """Yield one line for every relative link of a Markdown page whose file or heading does not exist."""
    prose = re.sub(r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    for match in _LINK.finditer(prose):
        target = match[1]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        document = (file.parent / path) if path else file
        start = f"{file.relative_to(root)}:{prose.count(chr(10), 0, match.start()) + 1}:"
        if not document.exists():
            yield f"{start} link to {target}: no such file"
        elif anchor and document.suffix == ".md" and anchor not in _anchors(document):
            yield f"{start} link to {target}: no such heading"


def _expand(pattern: str) -> list[str]:
    """Return the paths of a pattern with braces: ``a/{b,c}.py`` is two."""
    if not (braces := re.search(r"\{([^{}]*)\}", pattern)):
        return [pattern]
    return [p for choice in braces[1].split(",") for p in _expand(pattern.replace(braces[0], choice, 1))]


def path_faults(root: Path, file: Path, text: str) -> Iterator[str]:
    """Yield one line for every path of a script, module or config that the text names and that does not exist.

    A path may begin at the root, in the package, in `configs` or in a folder above the file.
    """
    created = set(re.findall(r"[Ss]ave (?:it|this|them) as `([^`]+)`", text))
    above = [folder for folder in file.parents if folder.is_relative_to(root)]
    for number, line in enumerate(text.splitlines(), start=1):
        for match in _PATH.finditer(line):
            foreign = match[1].startswith(_ELSEWHERE) or "://" in line[: match.start()].rsplit(" ", 1)[-1]
            if foreign or match[1] in created or _PLACEHOLDER.search(match[1]):
                continue
            for path in _expand(match[1]):
                if not any(list(base.glob(path)) for base in (root, root / "interhand_mm", root / "configs", *above)):
                    yield f"{file.relative_to(root)}:{number}: {path} does not exist"


def name_faults(root: Path, file: Path, text: str) -> Iterator[str]:
    """Yield one line for every function or class that a table names in the column after its file and that is not there."""
    row = re.compile(r"^\|.*\| `(?P<path>interhand_mm/[\w/]+\.py)` \| (?P<names>`\w+`(?:, `\w+`)*) \|$", re.MULTILINE)
    for match in row.finditer(text):
        source = (root / match["path"]).read_text() if (root / match["path"]).is_file() else ""
        for name in re.findall(r"\w+", match["names"]):
            if not re.search(rf"^\s*(?:def|class) {name}\b|^{name}\b.*=", source, re.MULTILINE):
                line = text.count("\n", 0, match.start()) + 1
                yield f"{file.relative_to(root)}:{line}: {match['path']} does not define {name}"


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


PAGES = _tracked("*.md")
CODE = [path for path in _tracked("*.py", "*.sh") if path.relative_to(ROOT).parts[0] in CODE_FOLDERS]


def _texts() -> Iterator[tuple[Path, str]]:
    """Yield every page and every source file but this one; strings of tests may name files that do not exist."""
    for path in PAGES + CODE:
        text = path.read_text()
        if path.suffix == ".py":
            text = prose_of_python(text, docstrings_only=path.is_relative_to(ROOT / "tests"))
        if path != Path(__file__).resolve():
            yield path, text


def test_cited_documents_and_sections_exist():
    faults = [fault for path, text in _texts() for fault in citation_faults(ROOT, path, text)]
    assert not faults, "\n".join(faults)
    cited = sum(len(re.findall(r"docs/spec/\w+\.md, sections? \d", _joined(text)[0])) for _, text in _texts())
    assert cited > 30  # the pattern still matches what it is meant to


def test_specification_pages_cite_their_own_sections_correctly():
    pages = sorted((ROOT / "docs" / "spec").glob("*.md"))
    faults = [fault for path in pages for fault in own_section_faults(ROOT, path, path.read_text())]
    assert len(pages) > 1
    assert not faults, "\n".join(faults)


def test_relative_links_lead_somewhere():
    faults = [fault for path in PAGES for fault in link_faults(ROOT, path, path.read_text())]
    assert not faults, "\n".join(faults)


def test_named_paths_exist():
    faults = [fault for path, text in _texts() for fault in path_faults(ROOT, path, text)]
    assert not faults, "\n".join(faults)


def test_the_tour_names_functions_that_exist():
    tour = ROOT / "docs" / "tour.md"
    text = tour.read_text()
    faults = list(name_faults(ROOT, tour, text))
    assert not faults, "\n".join(faults)
    assert (
        len(list(name_faults(ROOT / "docs", tour, text))) > 30
    )  # from another root nothing is found: the rows are read


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Return a root with one specification page, one data set page and one config."""
    spec = tmp_path / "docs" / "spec"
    spec.mkdir(parents=True)
    (spec / "sets.md").write_text("# Sets\n\n## 1. Box\n\n### 1.2 Order\n\n1. Read.\n2. Crop.\n\n## 3. Joint order\n")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "base.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docs/spec/sets.md", []),
        ("docs/spec/sets.md, section 1.2, step 2", []),
        ("docs/spec/sets.md, section 1.2, steps 1 to 2; docs/spec/sets.md, sections 1, 1.2 and 3", []),
        ("docs/spec/sets.md,\n    # section 1.2, step 2", []),
        ("docs/spec/set.md", ["docs/spec/set.md does not exist"]),
        ("docs/spec/sets.md, section 2", ["has no section 2"]),
        ("docs/spec/sets.md, sections 1 and 1.3", ["has no section 1.3"]),
        ("docs/spec/sets.md, section 1.2, step 3", ["section 1.2 has no step 3"]),
        ("docs/spec/sets.md, section 1.2, steps 2 to 4", ["section 1.2 has no step 4"]),
        ("docs/spec/sets.md, section 1, step 1", ["section 1 has no step 1"]),
        (
            "first line\ndocs/spec/sets.md,\n    # section 9",
            ["interhand_mm/file.py:2: docs/spec/sets.md has no section 9"],
        ),
        ("docs/spec/sets.md 1.2", ["write docs/spec/sets.md, section N"]),
    ],
)
def test_a_wrong_citation_is_found(planted, text, expected):
    faults = list(citation_faults(planted, planted / "interhand_mm" / "file.py", text))
    assert len(faults) == len(expected)
    assert all(want in fault for want, fault in zip(expected, faults, strict=True)), faults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[the sets](sets.md#12-order) and [the top](#sets), [a page](https://example.org/x.md)", []),
        ("```\n[not a link](nowhere.md)\n```", []),
        ("[gone](gone.md)", ["link to gone.md: no such file"]),
        ("a\n\n[heading](sets.md#21-order)", ["sets.md:3: link to sets.md#21-order: no such heading"]),
        ("[own](#nowhere)", ["link to #nowhere: no such heading"]),
    ],
)
def test_a_broken_link_is_found(planted, text, expected):
    faults = list(link_faults(planted, planted / "docs" / "spec" / "sets.md", text))
    assert len(faults) == len(expected)
    assert all(want in fault for want, fault in zip(expected, faults, strict=True)), faults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`python tools/train.py configs/base.py`", ["tools/train.py does not exist"]),
        ("write configs/my_hands.py, then configs/*.py and {configs,configs}/base.py", []),
        ("configs/{base,other}.py", ["configs/other.py does not exist"]),
        ("Save it as `configs/mine.py`, then run configs/mine.py with tools/run.py", ["tools/run.py does not exist"]),
    ],
)
def test_a_missing_path_is_found(planted, text, expected):
    faults = list(path_faults(planted, planted / "README.md", text))
    assert len(faults) == len(expected)
    assert all(want in fault for want, fault in zip(expected, faults, strict=True)), faults


def test_a_function_that_is_not_in_its_file_is_found(planted):
    (planted / "interhand_mm").mkdir()
    (planted / "interhand_mm" / "boxes.py").write_text("class Box:\n    def area(self): ...\n")
    page = planted / "tour.md"
    table = "| step | `interhand_mm/boxes.py` | `Box`, `area` |\n| step | `interhand_mm/boxes.py` | `volume` |\n"
    assert list(name_faults(planted, page, table)) == ["tour.md:2: interhand_mm/boxes.py does not define volume"]


def test_a_page_that_cites_a_section_it_does_not_have_is_found(planted):
    page = planted / "docs" / "spec" / "sets.md"
    text = "as in section 1.2, or (section 4), but not docs/spec/other.md, section 7"
    assert list(own_section_faults(planted, page, text)) == ["docs/spec/sets.md:1: no section 4"]


def test_comments_and_strings_are_read_and_code_is_not():
    text = 'x = 1  # see a.md\ndef f():\n    """Cite b.md,\n    section 3."""\n    return c.md\n'
    prose = prose_of_python(text)
    assert "a.md" in prose.splitlines()[0]
    assert "section 3" in prose.splitlines()[3]
    assert "c.md" not in prose
    assert "d.md" in prose_of_python('x = "d.md"\n')
    assert "d.md" not in prose_of_python('x = "d.md"\n', docstrings_only=True)
