"""Tasks are thin and flows only compose: checked on the source."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def decorated(folder: str, decorator: str) -> Iterator[Any]:
    for path in sorted((PROJECT / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                getattr(getattr(mark, "func", mark), "id", "") == decorator
                for mark in node.decorator_list
            ):
                yield pytest.param(node, id=f"{folder}.{node.name}")


@pytest.mark.parametrize("node", list(decorated("tasks", "step")))
def test_a_task_is_documented_and_thin(node: ast.FunctionDef) -> None:
    assert ast.get_docstring(node)
    body = node.body[1:]
    lines = {inner.lineno for part in body for inner in ast.walk(part) if hasattr(inner, "lineno")}
    assert len(lines) <= 25
    assert not any(isinstance(inner, (ast.For, ast.While)) for inner in ast.walk(node))


@pytest.mark.parametrize("node", list(decorated("flows", "flow")))
def test_a_flow_is_short(node: ast.FunctionDef) -> None:
    assert node.end_lineno is not None
    assert node.end_lineno - node.lineno < 80
    assert not any(isinstance(inner, (ast.For, ast.While)) for inner in ast.walk(node))


def test_there_is_something_to_check() -> None:
    assert len(list(decorated("tasks", "step"))) >= 5
    assert len(list(decorated("flows", "flow"))) >= 1
