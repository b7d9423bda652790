"""The house rules that a machine can check: budgets, import arrows, public names, documents."""

import ast
import importlib
import io
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import symbackprop as sb

ROOT = Path(__file__).parent.parent
SKIPPED = {".venv", ".peers", "build", "golden", "dist", "results", "__pycache__"}
PACKAGE = sorted([*ROOT.glob("symbackprop/**/*.py"), *ROOT.glob("codegen/**/*.py")])
SOURCES = sorted(
    path for folder in ("symbackprop", "codegen", "tests", "examples", "benchmarks", "docs")
    for path in ROOT.glob(f"{folder}/**/*.py") if not SKIPPED & set(path.relative_to(ROOT).parts)
)
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
Function = ast.FunctionDef | ast.AsyncFunctionDef

# Sections 1 to 5 of the manual: what `symbackprop` offers, and nothing else.
PUBLIC = {
    "size", "indices", "data", "parameter", "hyper", "define", "program", "verify", "one_hot",
    "simplex", "label", "positive", "symmetric", "Maximum", "Minimum", "exp", "log", "sqrt", "sin",
    "cos", "tanh", "sigmoid", "relu", "leaky_relu", "softplus", "elu", "selu", "prelu", "gelu",
    "gelu_tanh", "silu", "hard_sigmoid", "hard_tanh", "hard_swish", "softmax", "log_softmax",
    "logsumexp", "absolute", "maximum", "minimum", "identity", "layers", "losses", "penalties",
    "derive", "diagnose", "explain", "evaluate", "compile", "noise", "state", "bernoulli",
    "gaussian", "uniform", "inference", "constraints", "proximal", "Model", "optimizers",
    "schedules", "callbacks", "split", "restarts", "cross_validate", "Tensor", "Definition",
    "Program", "Derivation", "Explanation", "Iverson", "SymbackpropError", "DeclarationError",
    "ProgramError", "DerivationError", "CompilationError", "InputError", "TrainingError",
}
GROUPS = {"layers", "losses", "penalties", "constraints"}  # public names that are modules

# Facades resolve names on first use; a program prints itself through a printer that imports it.
LAZY_IMPORTS = {  # Numba, where there is something to compile; BLAS, bars, plots for those who ask
    ("symbackprop/__init__.py", "__getattr__"), ("codegen/__init__.py", "__getattr__"),
    ("symbackprop/notation.py", "__str__"), ("symbackprop/training/pictures.py", "axes_of"),
    ("codegen/store.py", "_builder"), ("codegen/symbols.py", "symbol_of"),
    ("symbackprop/training/progress.py", "_tqdm")}

HEAVY = {"numba", "llvmlite", "scipy", "sklearn", "matplotlib", "tqdm", "safetensors", "jax"}
TOP = ("symbackprop.training", "symbackprop.sklearn")
FORBIDDEN = {  # layer: (beginnings of module names that it must not import)
    "core": ("symbackprop.codegen", *TOP, *HEAVY),
    "codegen": (*TOP, "symbackprop.layers", "symbackprop.losses", "symbackprop.penalties",
                "sklearn", "matplotlib", "tqdm", "jax"),
    "training": ("sklearn", "matplotlib", "jax"), "pictures": ("sklearn", "jax"),
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions_in(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, Function))


def module_of(path: Path) -> str:
    """The installed name: codegen/ir.py is symbackprop.codegen.ir."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(("symbackprop", *parts) if parts[0] == "codegen" else parts)


def layer_of(module: str) -> str:
    if module.startswith("symbackprop.codegen"):
        return "codegen"
    top = module.rpartition(".")[2] if module.endswith(".pictures") else "training"
    return top if module.startswith(TOP) else "core"


def imports_in(path: Path) -> Iterator[str]:
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
                base = f"{above}.{base}".rstrip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def begins(module: str, beginnings: tuple[str, ...]) -> bool:
    return any(module == start or module.startswith(start + ".") for start in beginnings)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_functions_and_lines_keep_their_budgets(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 300, f"{len(lines)} lines; a file has at most 300"
    wide = [number for number, line in enumerate(lines, 1) if len(line) > 100]
    assert not wide, f"lines of more than 100 characters: {wide}"
    spans = {f.name: (f.end_lineno or 0) - f.lineno + 1 for f in functions_in(path)}
    assert not {name: span for name, span in spans.items() if span > 50}


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_imports_point_from_training_to_codegen_to_the_core(path: Path) -> None:
    if name_of(path) == "symbackprop/__init__.py":
        return  # the facade sees all; it is lazy, as other tests check
    forbidden = FORBIDDEN[layer_of(module_of(path))]
    wrong = [module for module in imports_in(path)
             if begins(module, forbidden) or module.startswith("codegen")]
    assert not wrong, f"{module_of(path)} must not import {wrong}"
    facade = [m for m in imports_in(path) if re.fullmatch(r"symbackprop(\.[a-z_]\w*)?", m)
              and m.removeprefix("symbackprop.") in PUBLIC - GROUPS]
    assert not facade, f"{module_of(path)} imports {facade} from the facade; name the module"


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_functions_import_nothing_but_where_it_is_documented(path: Path) -> None:
    inner = {
        (name_of(path), function.name)
        for function in functions_in(path) for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"))
    }
    assert inner <= LAZY_IMPORTS


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_nothing_catches_everything_and_nothing_is_left_undone(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "BaseException"
            assert not re.search(r"\b(Base)?Exception\b", caught), f"line {node.lineno}"
        if isinstance(node, ast.Raise) and node.exc is not None:
            assert "NotImplemented" not in ast.unparse(node.exc), f"line {node.lineno}"


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_no_text_is_ever_evaluated(path: Path) -> None:
    banned = {"eval", "exec", "lambdify", "parse_expr", "parse_latex"}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).removeprefix("sympy.")
            assert called not in banned, f"line {node.lineno}: {called}"
            if called == "sympify":
                given = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert given.get("strict") == "True", f"line {node.lineno}: sympify reads text"
            assert "sympify" not in map(ast.unparse, node.args), f"line {node.lineno}"
    unsafe = ("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib")
    assert not [module for module in imports_in(path) if begins(module, unsafe)]


def test_text_is_refused_where_an_expression_is_asked_for(tmp_path: Path) -> None:
    n, i = sb.indices("n i", sb.size("N"), 3)
    x = sb.data("x", n, i)
    evil = f"__import__('pathlib').Path({str(tmp_path / 'made')!r}).touch()"
    for attempt in (
        lambda: x[evil, i], lambda: sb.Maximum(evil, i), lambda: sb.define("h", (n,), evil),
        lambda: sb.size(evil), lambda: sb.indices(evil, 3), lambda: sb.data(evil, n),
        lambda: sb.data("y", evil), lambda: sb.data("y", n, facts=[evil]), lambda: sb.tanh(evil),
        lambda: x @ evil, lambda: sb.derive(evil), lambda: sb.program(evil),
    ):
        with pytest.raises((sb.SymbackpropError, TypeError)):
            attempt()
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_every_public_function_class_and_method_says_what_it_does(path: Path) -> None:
    def undocumented(body: list[ast.stmt], owner: str) -> Iterator[str]:
        for node in body:
            if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None and not overloaded(node):
                yield owner + node.name
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body, f"{node.name}.")

    def overloaded(node: Function | ast.ClassDef) -> bool:
        return any(ast.unparse(d) in ("overload", "override") for d in node.decorator_list)

    assert not list(undocumented(tree_of(path).body, ""))


def test_the_public_names_are_those_of_the_manual() -> None:
    assert set(sb.__all__) == PUBLIC
    assert {name for name in dir(sb) if not name.startswith("_")} == PUBLIC
    missing = [name for name in PUBLIC if getattr(sb, name, None) is None]
    assert not missing


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = sb.no_such_name


@pytest.mark.parametrize("used", ["sb", "sb.derive, sb.program, sb.layers, sb.losses, sb.evaluate"])
def test_declaring_and_deriving_import_nothing_heavy(used: str) -> None:
    script = f"import sys, symbackprop as sb; {used}; print(*sys.modules)"
    loaded = {module.partition(".")[0] for module in run_python(script).stdout.split()}
    assert "symbackprop" in loaded
    assert not loaded & HEAVY


def test_the_compiler_loads_neither_training_nor_what_only_training_needs() -> None:
    script = "import sys, symbackprop.codegen.driver; print(*sys.modules)"
    loaded = run_python(script).stdout.split()
    assert "symbackprop.codegen.driver" in loaded
    assert not [m for m in loaded if begins(m, (*TOP, "sklearn", "matplotlib", "tqdm", "jax"))]


def test_the_folder_of_the_compiler_cannot_be_imported_as_a_second_copy() -> None:
    refused = run_python("import codegen", check=False, cwd=ROOT)
    assert refused.returncode == 1
    assert "import symbackprop.codegen" in refused.stderr


def test_every_package_on_disk_is_listed_for_installation() -> None:
    listed = set(pyproject()["tool"]["setuptools"]["packages"])
    assert listed == {module_of(path) for path in PACKAGE if path.name == "__init__.py"}
    folders = {path.parent for path in PACKAGE}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


def test_the_changelog_names_the_version_that_is_installed() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)[0]
    assert newest == pyproject()["project"]["version"]


def test_no_file_promises_work_or_names_a_place_on_one_machine() -> None:
    banned = re.compile("|".join((r"\bTO" r"DO\b", r"\bFIX" r"ME\b", r"\bX{3}\b", r"/wo" r"rk/")))
    texts = [*SOURCES, *DOCUMENTS, *ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    found = {name_of(p): m for p in texts if (m := banned.findall(p.read_text(encoding="utf-8")))}
    assert not found


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_the_snippets_of_a_document_run_and_print_what_it_shows(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": path.stem}
    printed = ""
    for language, block in FENCED.findall(path.read_text(encoding="utf-8")):
        if language == "python":
            stream = io.StringIO()
            with redirect_stdout(stream):
                exec(compile(block, str(path), "exec"), namespace)
            printed = stream.getvalue()
        elif language == "text":
            assert without_trailing_blanks(printed) == without_trailing_blanks(block)


def test_the_pages_of_the_manual_show_what_is_really_printed() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "build.py"))["pages"]()
    for name, text in pages.items():
        kept = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert text == kept, f"{name} has changed: run `make docs`"


def test_every_module_of_rules_is_in_the_table_of_tables() -> None:
    tables = importlib.import_module("symbackprop.rules.tables")
    known = {id(row) for table in tables.TABLES for row in table.rows}
    for path in ROOT.glob("symbackprop/rules/*.py"):
        module = importlib.import_module(module_of(path))
        for name, rows in vars(module).items():
            if name.isupper() and isinstance(rows, tuple) and hasattr((*rows, 0)[0], "why"):
                assert {id(row) for row in rows} <= known, f"{module.__name__}.{name} is missing"


def without_trailing_blanks(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def pyproject() -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run_python(
    script: str, check: bool = True, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=check, cwd=cwd)


def test_no_module_hides_a_public_function() -> None:
    modules = {path.stem for path in (ROOT / "symbackprop").iterdir()}
    assert not modules & {*sb._HOME_OF}, "importing it would put the module in its place"
