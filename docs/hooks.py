"""Build steps of the documentation site: what mkdocs cannot know from docs/ alone.

1. API reference pages are generated from the sources, one page for each folder of the package.
2. READMEs of configs/, CHANGELOG.md and CONTRIBUTING.md become pages.
3. Links work in the repository and on the site: a link to a page outside docs/ is rewritten to its place on the site,
   a link to a source file becomes plain text.
4. In docstrings, examples become code blocks, and the text under "Returns:" is shown whole: the parser would take
   everything before its first colon for a type.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from griffe import Extension, Function, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "interhand_mm"
# Users import from these; "cli", "quickstart" and "benchmark" are programs.
ROOMS = (
    "inference", "structures", "codecs", "datasets", "evaluation", "models", "engine", "apis", "checkpoints",
    "visualization", "synthesis", "preparation", "hdr", "utils", "errors", "registry",
)  # fmt: skip
OUTSIDE = ("configs/**/README.md", "CHANGELOG.md", "CONTRIBUTING.md")
RETURNS = re.compile(r"^(Returns|Yields):\n( +)", re.MULTILINE)
EXAMPLE = re.compile(r"^( *)>>> .*(?:\n *\S.*)*", re.MULTILINE)  # from the first prompt to an empty line
FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of docs/spec and of the API reference into the navigation."""
    spec = [f"spec/{path.name}" for path in sorted((ROOT / "docs/spec").glob("*.md"))]
    reference = ["reference/index.md", *({room: f"reference/{room}.md"} for room in ROOMS)]
    for section in config.nav or []:
        for title, target in section.items():
            section[title] = {"spec/": spec, "reference/": reference}.get(str(target), target)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and the pages that lie outside docs/."""
    for room in ROOMS:
        files.append(File.generated(config, f"reference/{room}.md", content=reference_page(room)))
    for path in outside_pages():
        files.append(File.generated(config, path, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links between docs/ and the rest of the repository, and complete the first page of the API reference."""
    if page.file.src_uri == "reference/index.md":
        markdown += reference_index()
    return rewrite_links(markdown, page.file.src_uri)


def outside_pages() -> list[str]:
    """Return the repository paths of the Markdown files outside docs/ that become pages."""
    return [str(path.relative_to(ROOT)) for pattern in OUTSIDE for path in sorted(ROOT.glob(pattern))]


def rewrite_links(markdown: str, page: str) -> str:
    """Return the page's Markdown with links as the site needs them.

    Args:
        markdown: Text of the page. Code blocks are left alone.
        page: Path of the page on the site, such as `guide/start.md` or `configs/README.md`.
    """
    outside = outside_pages()
    folder = posixpath.dirname(page if page in outside else f"docs/{page}")

    def rewrite(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in target or target.startswith(("mailto:", "/")):
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, path))
        path = next((p for p in (path, f"{path}/README.md") if p in outside), path)
        if path.startswith("docs/") or path in outside:
            place = posixpath.relpath(path.removeprefix("docs/"), posixpath.dirname(page) or ".")
            return f"{image}[{text}]({place}{'#' + anchor if anchor else ''})"
        return text if (ROOT / path).exists() else match[0]  # a missing file stays a link, so that --strict stops

    pieces, position = [], 0
    for fence in FENCE.finditer(markdown):
        pieces += [LINK.sub(rewrite, markdown[position : fence.start()]), fence[0]]
        position = fence.end()
    return "".join([*pieces, LINK.sub(rewrite, markdown[position:])])


def reference_index() -> str:
    """Return the tables on the first page of the API reference: the public names, then the folders of the package."""
    lines = ["", "## Public names", "", "```python"]
    names = dict(public_names())
    lines += [f"from interhand_mm import {', '.join(names)}", "```", "", "| name | purpose |", "|---|---|"]
    lines += [f"| [`{name}`][{target}] | {first_line(target)} |" for name, target in names.items()]
    lines += ["", "## Modules", "", "| module | content |", "|---|---|"]
    lines += [f"| [`interhand_mm.{room}`]({room}.md) | {first_line(f'interhand_mm.{room}')} |" for room in ROOMS]
    return "\n".join([*lines, ""])


def reference_page(room: str) -> str:
    """Return the API page of one folder or top-level module of the package."""
    lines = [f"# interhand_mm.{room}", "", first_line(f"interhand_mm.{room}"), ""]
    for module in modules(room):
        lines += [f"::: {module}", "    options:", "      summary: true", ""]
    return "\n".join(lines)


def modules(room: str) -> Iterator[str]:
    """Yield the dotted names of a folder's public modules that define a public class or function."""
    top = PACKAGE / room
    for path in sorted(top.rglob("*.py")) if top.is_dir() else [top.with_suffix(".py")]:
        if path.name.startswith("_"):
            continue
        if any(getattr(node, "name", "_")[0] != "_" for node in ast.parse(path.read_text()).body):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts)


def public_names() -> Iterator[tuple[str, str]]:
    """Yield the names that `interhand_mm` exports lazily, each with the dotted name of its definition."""
    for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module not in (None, "typing", "__future__", "importlib"):
            for alias in node.names:
                yield alias.name, f"interhand_mm.{str(node.module).removeprefix('interhand_mm.')}.{alias.name}"


def first_line(dotted: str) -> str:
    """Return the first docstring line of a module, class or function of the package, or nothing without one."""
    path = ROOT / dotted.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        return _line(ast.parse(source.read_text()))
    module, _, name = dotted.rpartition(".")
    body: list[Any] = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text()).body
    return next((_line(node) for node in body if getattr(node, "name", None) == name), "")


def _line(node: Any) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0].replace("|", "\\|")


class Docstrings(Extension):
    """Change docstrings before they are parsed, so that nothing in them is misread."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Fence the examples, and write a function's return type before the text under "Returns:"."""
        if obj.docstring is None:
            return
        text = EXAMPLE.sub(fence_example, obj.docstring.value)
        text = re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)  # the section that the parser knows
        if isinstance(obj, Function) and obj.returns is not None:
            text = RETURNS.sub(rf"\1:\n\2{obj.returns}: ", text)
        obj.docstring.value = text


def fence_example(match: re.Match[str]) -> str:
    """Return an interactive example as a Markdown code block."""
    return f"{match[1]}```pycon\n{match[0]}\n{match[1]}```"
