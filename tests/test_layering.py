"""Import direction, import cost, registry locations: the architecture as tests."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import defaultdict

import networkx
import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "interhand_mm"
# A folder (or file) may import from lower levels; those of one level never import one another.
LEVELS = {
    "errors": 0,
    "structures": 1, "utils": 1, "registry": 1,
    "codecs": 2, "checkpoints": 2,
    "evaluation": 3, "synthesis": 3, "datasets": 3, "models": 3,
    "visualization": 4, "engine": 4, "preparation": 4,
    "inference": 5,
    "hdr": 6,
    "apis": 7, "cli": 7,
    "benchmark": 8,
    "quickstart": 9,
}  # fmt: skip
SHARED_LEVEL = 1  # the leaf modules of level 1 may use one another


def _room(path: str) -> str | None:
    return next(
        (room for room in sorted(LEVELS, key=len, reverse=True) if path == room or path.startswith(room + "/")), None
    )


def _imports(file):
    """Rooms of this package that a file imports, relative and absolute."""
    own = file.relative_to(PACKAGE).with_suffix("").parts
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = own[: len(own) - node.level]
            for name in [""] if node.module else [alias.name for alias in node.names]:
                yield "/".join([*base, *(node.module or name).split(".")]), node.lineno
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("interhand_mm."):
            yield "/".join(node.module.split(".")[1:]), node.lineno


def test_imports_go_downwards():
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        own = _room(str(file.relative_to(PACKAGE).with_suffix("")))
        if own is None:
            continue
        for target, line in _imports(file):
            room = _room(target)
            if room is None or room == own:
                continue
            lower = LEVELS[room] < LEVELS[own] or (LEVELS[room] == LEVELS[own] == SHARED_LEVEL)
            if not lower:
                wrong.append(f"{file.relative_to(ROOT)}:{line} {own} imports {room}")
    assert not wrong, "\n".join(wrong)


def _module_graph():
    """{module: modules of this package that it imports when it runs}, one entry per file."""
    files = {}
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return {name: set(_imported_modules(file, files)) - {name} for name, file in files.items()}


def _imported_modules(file, files):
    package = file.relative_to(ROOT).parts[:-1]
    nodes = [ast.parse(file.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING":
            nodes += node.orelse  # types alone do not run
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            names = [f"{module}.{alias.name}" for alias in node.names]
            yield from {name if name in files else module for name in names} & files.keys()
        elif isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & files.keys()


def test_no_two_files_import_each_other():
    graph = networkx.DiGraph((name, other) for name, others in _module_graph().items() for other in others)
    circles = [sorted(each) for each in networkx.strongly_connected_components(graph) if len(each) > 1]
    assert graph.number_of_edges() > 500
    assert not circles


def test_an_init_holds_names_and_no_definitions():
    allowed = {("interhand_mm", "__getattr__"), ("interhand_mm", "__dir__")}  # the lazy front door, PEP 562
    defined = {
        (".".join(file.parent.relative_to(ROOT).parts), node.name)
        for file in PACKAGE.rglob("__init__.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    assert defined == allowed


def test_every_file_has_a_level():
    lost = [
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if file.name != "__init__.py" and _room(str(file.relative_to(PACKAGE).with_suffix(""))) is None
    ]
    assert not lost


def test_importing_is_quick_and_light():
    code = (
        "import sys, interhand_mm; print('torch' in sys.modules); import interhand_mm.registry;"
        "print(any(m in sys.modules for m in ('mmdet', 'mmpose.models', 'torchvision')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    "name", ["MODELS", "DATASETS", "TRANSFORMS", "METRICS", "HOOKS", "VISUALIZERS", "OPTIM_WRAPPERS", "CODECS"]
)
def test_registry_locations_import_and_register(name):
    registry = getattr(importlib.import_module("interhand_mm.registry"), name)
    for location in registry._locations:
        importlib.import_module(location)
    assert registry.module_dict


def test_functions_stay_short():
    long_functions = []
    for file in [*PACKAGE.rglob("*.py"), *(ROOT / "tools").glob("*.py"), *(ROOT / "demo").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[0] if ast.get_docstring(node) is None else node.body[min(1, len(node.body) - 1)]
                if (node.end_lineno or 0) - first.lineno + 1 > 60:
                    long_functions.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not long_functions


RENAMES = {"replace", "rename", "renames", "link"}


def _renames(file):
    """Lines that rename a file or make a named temporary one by hand."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else None
        by_os = owner == "os" and node.func.attr in RENAMES
        # str.replace takes two arguments or more, dataclasses.replace keywords; Path.replace and Path.rename take one
        by_path = owner != "os" and node.func.attr in RENAMES and len(node.args) == 1 and not node.keywords
        by_hand = node.func.attr in {"NamedTemporaryFile", "mkstemp"} or (owner, node.func.attr) == ("shutil", "move")
        if by_os or by_path or by_hand:
            yield f"{file.relative_to(ROOT)}:{node.lineno}"


def test_files_are_written_atomically_in_one_place():
    found = [line for file in PACKAGE.rglob("*.py") for line in _renames(file)]
    assert {line.split(":")[0] for line in found} == {"interhand_mm/utils/files.py"}, found


JOINT_NUMBERS = {20, 21, 41, 42}
SHAPED = {
    "arange",
    "broadcast_to",
    "empty",
    "expand",
    "full",
    "ones",
    "rand",
    "randn",
    "range",
    "repeat",
    "reshape",
    "roll",
    "tile",
    "unflatten",
    "view",
    "zeros",
}
# Index or count of something else than joints: file -> why.
NOT_JOINTS: dict[str, str] = {}


def _joint_numbers(file):
    """Lines where a literal 20, 21, 41 or 42 is an index, a slice bound or part of an array's shape."""

    def numbers(node):
        return (
            n
            for n in ast.walk(node)
            if isinstance(n, ast.Constant) and type(n.value) is int and n.value in JOINT_NUMBERS
        )

    for node in ast.walk(ast.parse(file.read_text())):
        parts = [node.slice] if isinstance(node, ast.Subscript) else []
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            parts = node.args if name in SHAPED else []
        for number in (n for part in parts for n in numbers(part)):
            yield f"{file.relative_to(ROOT)}:{number.lineno}"


def test_joint_numbers_live_in_joints():
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tools").glob("*.py"), *(ROOT / "demo").glob("*.py")]
    allowed = {"interhand_mm/structures/joints.py", *NOT_JOINTS}
    found = {line for file in files if str(file.relative_to(ROOT)) not in allowed for line in _joint_numbers(file)}
    assert not found, f"use the names of structures/joints.py: {sorted(found)}"
    assert not [name for name in NOT_JOINTS if not list(_joint_numbers(ROOT / name))], "nothing left to allow"


# A data set's file, its metric's and its formulas' are called after the set or the kind of data that they share.
SHARED_FILE_NAMES = {"base", "freihand", "interhand", "keypoints_2d", "single_hand"}
# Their files are called after the core's files that they extend, measure or show.
MIRRORING_ROOMS = ("hdr", "benchmark", "quickstart")


def _public_definitions(file):
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_a_name_means_one_thing():
    """A public function, class or constant is defined in one file of the package; a file's name occurs in one room."""
    files, names = defaultdict(list), defaultdict(list)
    for file in PACKAGE.rglob("*.py"):
        where = str(file.relative_to(PACKAGE))
        if file.stem != "__init__" and not where.startswith(MIRRORING_ROOMS):
            files[file.stem].append(where)
        for name in set(_public_definitions(file)):
            if not name.startswith("_"):
                names[name].append(where)
    twice = {name: where for name, where in names.items() if len(where) > 1}
    twice |= {stem: where for stem, where in files.items() if len(where) > 1 and stem not in SHARED_FILE_NAMES}
    assert not twice
