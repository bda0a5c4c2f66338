"""Rules that the whole tree keeps."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import framewright

ROOT = Path(framewright.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
PUBLIC = [
    path
    for path in MODULES
    if not path.name.startswith("_") and path.stat().st_size and not path.name.endswith("_pb2.py")
]
MAX_LINES = 400


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_too_long(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES


@pytest.mark.parametrize("path", PUBLIC, ids=name)
def test_every_public_module_says_what_it_offers_in_order(path: Path) -> None:
    tree = ast.parse(path.read_text())
    [listed] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    assert listed
    assert all(_place(a) < _place(b) for a, b in pairwise(listed)), "sorted, none twice"
    defined = {
        found
        for node in tree.body
        for found in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [alias.asname or alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
            if isinstance(node, ast.Assign)
            else [node.target.id]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            else []
        )
    }
    assert set(listed) <= defined


@pytest.mark.parametrize("path", [p for p in MODULES if p.stat().st_size], ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def _place(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then functions, as ruff sorts them."""
    return (not name.isupper(), not name[0].isupper(), name)


HEAVY = ("torch", "torchvision", "av", "numpy", "openvino", "prefect", "dask", "azure", "pyarrow")
REPORT = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"


def heavy_after(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    [
        "import framewright",
        "import framewright.types, framewright.errors, framewright.settings, framewright.storage",
        "from framewright.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass",
        "from framewright.cli import main\nmain(['settings'])",
        "from framewright.cli import main\nmain(['styles'])",
    ],
    ids=["package", "nouns", "help", "settings", "styles"],
)
def test_what_must_be_quick_loads_nothing_heavy(code: str) -> None:
    assert heavy_after(code) == "[]"


def test_the_check_for_heavy_modules_sees_them() -> None:
    assert heavy_after("import framewright.model") == "['torch', 'av', 'numpy']"


def test_the_engine_loads_neither_prefect_nor_dask() -> None:
    every = [
        "framewright." + name(path)[:-3].replace("/", ".").removesuffix(".__init__")
        for path in MODULES
        if path != ROOT / "__init__.py"
    ]
    loaded = heavy_after("\n".join(f"import {module}" for module in every))
    assert "torch" in loaded
    assert "prefect" not in loaded
    assert "dask" not in loaded
