"""What the source may not contain: ways to run data as code, and heavy imports at import time."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "tapetum").rglob("*.py"))
BANNED_MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "torchvision", "cv2"}
BANNED_CALLS = {"eval", "exec", "compile", "__import__"}
BANNED_ATTRIBUTES = {
    ("yaml", "load"), ("yaml", "unsafe_load"), ("os", "system"), ("os", "popen"),
    ("torch", "save"), ("np", "load"), ("numpy", "load"),
}  # fmt: skip


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_runs_data_as_code(path):
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {a.name.split(".")[0] for a in node.names} & BANNED_MODULES
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.module.split(".")[0] not in BANNED_MODULES
        if isinstance(node, ast.Call):
            _check_call(node)


def _check_call(node: ast.Call) -> None:
    if isinstance(node.func, ast.Name):
        assert node.func.id not in BANNED_CALLS, f"line {node.lineno}"
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        called = (node.func.value.id, node.func.attr)
        assert called not in BANNED_ATTRIBUTES, f"line {node.lineno}"
        assert called != ("torch", "load") or _only_weights(node), f"line {node.lineno}"
    for keyword in node.keywords:
        forbidden = keyword.arg in ("shell", "allow_pickle")
        assert not forbidden or not getattr(keyword.value, "value", True), f"line {node.lineno}"


def _only_weights(node: ast.Call) -> bool:
    return any(
        keyword.arg == "weights_only" and getattr(keyword.value, "value", None) is True
        for keyword in node.keywords
    )


def test_the_ban_is_able_to_fail():
    with pytest.raises(AssertionError):
        _check_call(ast.parse("eval('1')").body[0].value)
    with pytest.raises(AssertionError):
        _check_call(ast.parse("run('x', shell=True)").body[0].value)
    with pytest.raises(AssertionError):
        _check_call(ast.parse("torch.load(f)").body[0].value)
    with pytest.raises(AssertionError):
        _check_call(ast.parse("torch.load(f, weights_only=False)").body[0].value)
    _check_call(ast.parse("torch.load(f, weights_only=True)").body[0].value)


@pytest.mark.parametrize("name", ["tapetum", "tapetum.ops"])
def test_importing_the_package_imports_nothing_heavy(name):
    heavy = "{'torch', 'numpy', 'PIL'} & set(sys.modules)"
    code = f"import sys, {name}; sys.exit(int(bool({heavy})))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_file_is_too_long_to_read():
    long = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}
