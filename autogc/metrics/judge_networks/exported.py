"""Whether an archive of ``torch.export.save`` can be loaded without running anything but operators on tensors.

PyTorch 2.13's loader unpickles tensors that are not plain, opaque constants and (where a safe reading fails) example inputs; looks
operators up by any name under ``torch``; and evaluates the expressions of symbolic sizes as Python. Each of these is looked at here first.
"""

from __future__ import annotations

import ast
import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from autogc.errors import CheckpointError

# What such an archive holds, below its folder. Code that was compiled (aotinductor) and pickled objects are not among it.
ENTRIES = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/\w+|extra/.+|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json)"
)
OPERATORS = re.compile(r"torch\.ops\.aten\.(?!from_file\.)\w+\.\w+|torch\.sym_\w+|math\.(ceil|floor|trunc)|_operator\.\w+")
# Of Python's operator module only arithmetic, comparison and picking one of several results.
PYTHON_OPERATORS = frozenset(
    {"add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow", "eq", "ne", "lt", "le", "gt", "ge", "getitem"}
)
CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
MODEL, EXAMPLE = "models/model.json", "data/sample_inputs/model.pt"
EXPRESSION = (ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
FUNCTIONS = frozenset({"Symbol", "Integer", "Rational", "Add", "Mul", "Pow", "Mod", "Min", "Max", "FloorDiv", "CleanDiv", "CeilDiv"})


def check_archive(content: bytes, *, name: str) -> None:
    """Raise ``CheckpointError``, saying what was found, for an archive that would have anything else run or unpickled."""
    problem = next(_problems(content), None)
    if problem is not None:
        raise CheckpointError(f"{name} is not loaded: {problem}. autogc loads exported programs of aten operators and plain tensors alone")


def _problems(content: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        inside = {one.split("/", 1)[-1]: one for one in names}
        if len(inside) != len(names):
            yield "an entry is there twice"
        yield from (f"it holds {entry}" for entry in inside if ENTRIES.fullmatch(entry) is None)
        yield from (f"it has no {entry}" for entry in (MODEL, EXAMPLE, *CONFIGS) if entry not in inside)
        files = {entry: archive.read(inside[entry]) for entry in (MODEL, EXAMPLE, *CONFIGS)}
    for config in CONFIGS:
        for tensor, payload in json.loads(files[config])["config"].items():
            plain = re.fullmatch(r"(weight|tensor)_\d+", str(payload["path_name"]))
            if payload["use_pickle"] or not plain:
                yield f"{tensor!r} in it is pickled"
    try:
        torch.load(io.BytesIO(files[EXAMPLE]), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError):
        yield "its example inputs are more than tensors"
    model = json.loads(files[MODEL])
    if model["graph_module"].get("treespec_namedtuple_fields"):
        yield "it defines classes"
    yield from _walk(model)


def _walk(value: Any) -> Iterator[str]:
    """Yield what is wrong with operators and expressions, wherever they stand."""
    if isinstance(value, list):
        for one in value:
            yield from _walk(one)
    elif isinstance(value, dict):
        target, expression = value.get("target"), value.get("expr_str")
        if isinstance(target, str) and "inputs" in value and not _allowed(target):
            yield f"it calls {target}"
        if isinstance(expression, str) and not _harmless(expression):
            yield f"it computes a size by {expression!r}"
        for one in value.values():
            yield from _walk(one)


def _allowed(target: str) -> bool:
    if OPERATORS.fullmatch(target) is None:
        return False
    return not target.startswith("_operator.") or target.removeprefix("_operator.") in PYTHON_OPERATORS


def _harmless(expression: str) -> bool:
    """Tell whether an expression is arithmetic of numbers and named sizes."""
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except SyntaxError:
        return False
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    constants = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return (
        all(isinstance(node, EXPRESSION) for node in nodes)
        and all(isinstance(function, ast.Name) and function.id in FUNCTIONS for function in called)
        and all(isinstance(one, int | float) or (isinstance(one, str) and one.isidentifier()) for one in constants)
    )
