"""The rules of the house, read from the source: who may import whom, who may touch the world, how long things are."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import quantiles

import pytest

ROOT = Path(__file__).parents[1]
HALVES = ("launcher", "jobs")

# From the top down: a room may import from its own layer and from those below.
LAUNCHER_LAYERS = (
    ("cli", "legacy"),
    ("commands",),
    ("terminal", "checking", "environments"),
    ("wiring", "overview"),
    ("runs",),
    ("sessions", "tunnels", "parallel", "console"),
    ("cluster", "platforms", "discovery"),
    ("transports", "schedulers", "scripts"),
    ("laptop",),
    ("model", "errors", "units", "kinds", "daskkinds", "needed", "progress"),
)
JOBS_LAYERS = (
    ("__main__", "cli", "notebook"),
    ("running",),
    ("registry", "batch", "clusters", "progress"),
    ("spring_index", "l1b", "sdo", "stac"),
    ("storage",),
    ("doors",),
    ("causes", "s3", "ledger", "functions", "compiled", "pictures", "words", "drawing"),
    ("model", "errors"),
)

PURE_NAMES = (
    "schedulers/",
    "discovery/",
    "scripts/",
    *(f"checking/{name}." for name in ("model", "connecting", "nodes", "rundir", "scheduling", "sharing", "survey")),
    *("runs/packing", "runs/report", "sessions/report"),
    *("daskkinds", "kinds", "model.", "needed", "progress", "units"),
)
PURE = tuple(f"launcher/{name}" for name in PURE_NAMES)
KERNELS = (
    *(f"jobs/spring_index/science/{name}.py" for name in ("model", "kernel", "stream", "light", "daylength")),
    "jobs/spring_index/reading/decode.py",
    *(f"jobs/l1b/{name}.py" for name in ("model", "power", "tables", "geolocation", "heading")),
    *(f"jobs/sdo/irradiance/{name}.py" for name in ("fits", "rice")),
    "jobs/sdo/combine/steps.py",
)
IO = {"asyncio", "fabric", "http", "io", "os", "paramiko", "pathlib", "shutil", "socket", "ssl", "subprocess"}
FORMATS = {"fsspec", "h5netcdf", "h5py", "pandas", "tempfile", "urllib", "xarray", "zarr"}
NETWORK = {"http", "paramiko", "fabric", "socket", "ssl"}
MAY_USE_NETWORK = (
    "launcher/transports/",
    "launcher/node/",
    "launcher/tunnels/",
)
MAY_START_PROCESSES = ("launcher/transports/", "launcher/node/")
HEAVY = (
    "fabric",
    "paramiko",
    "invoke",
    "cryptography",
    "numpy",
    "dask",
    "distributed",
    "xarray",
    "zarr",
    "pandas",
    "ssl",
    "jobs",
)

LONGEST_FILE, LONGEST_FUNCTION, P90_FUNCTION = 300, 50, 20
LONG_ON_PURPOSE = {"jobs/spring_index/science/kernel.py"}  # numba caches by file: a split kernel could run stale code


@dataclass(frozen=True)
class Function:
    """A function and its length in lines."""

    where: str
    lines: int


def path_of(source: Path) -> str:
    """The path in the checkout, with forward slashes."""
    return source.relative_to(ROOT).as_posix()


def name_of(source: Path) -> str:
    """The dotted name of a module."""
    parts = source.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources(*halves: str) -> tuple[Path, ...]:
    """All modules of these top-level packages."""
    return tuple(sorted(file for half in halves for file in (ROOT / half).rglob("*.py")))


@cache
def tree(source: Path) -> ast.Module:
    """The parsed module."""
    return ast.parse(source.read_text(encoding="utf-8"))


def imports(source: Path) -> list[str]:
    """What a module imports as absolute dotted names, inside functions too; a name that is a module counts as one."""
    package = name_of(source).split(".") if source.name == "__init__.py" else name_of(source).split(".")[:-1]
    found = []
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found += [_deepest(stem, alias.name) for alias in node.names]
    return found


def _deepest(stem: str, name: str) -> str:
    if stem == "pathlib":
        return f"pathlib.{name}"
    path = ROOT / stem.replace(".", "/") / name
    return f"{stem}.{name}" if path.with_suffix(".py").exists() or (path / "__init__.py").exists() else stem


def top(module: str) -> str:
    """The first part of a dotted name."""
    return module.partition(".")[0]


def offenders(files: tuple[Path, ...], forbidden: set[str], allowed: tuple[str, ...] = ()) -> list[str]:
    """`file imports module` for each import that is not allowed."""
    return [
        f"{path_of(source)} imports {found}"
        for source in files
        if not path_of(source).startswith(allowed or ("/",))
        for found in imports(source)
        if top(found) in forbidden and found != "pathlib.PurePosixPath"  # which never looks at a disk
    ]


def upward(half: str, layers: tuple[tuple[str, ...], ...]) -> list[str]:
    """Imports of a half that point up, and modules that have no layer."""
    rank = {f"{half}.{name}": number for number, layer in enumerate(layers) for name in layer}

    def layer_of(module: str) -> int | None:
        return rank.get(".".join(module.split(".")[:2]))

    wrong = []
    for source in sources(half):
        if name_of(source) == half or name_of(source).startswith("launcher.node"):
            continue
        own = layer_of(name_of(source))
        if own is None:
            wrong.append(f"{path_of(source)} has no layer here: add it to the right one")
            continue
        above = (found for found in imports(source) if (layer := layer_of(found)) is not None and layer < own)
        wrong += [f"{path_of(source)} imports {target}" for target in sorted(above)]
    return wrong


def functions(*halves: str) -> list[Function]:
    """All functions and methods with their lengths, docstrings and decorators not counted."""
    found = []
    for source in sources(*halves):
        for node in ast.walk(tree(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                documented = ast.get_docstring(node) is not None and len(node.body) > 1
                body = node.body[1:] if documented else node.body
                lines = (node.end_lineno or 0) - body[0].lineno + 1
                found.append(Function(f"{path_of(source)}:{node.lineno} {node.name}", lines))
    return found


def test_halves_do_not_import_each_other() -> None:
    """The launcher and the jobs meet only in a command line, environment variables and files."""
    assert offenders(sources("launcher"), {"jobs"}) == []
    assert offenders(sources("jobs"), {"launcher"}) == []


def test_launcher_imports_point_down() -> None:
    """Inside the launcher no module imports one of a layer above its own."""
    assert upward("launcher", LAUNCHER_LAYERS) == []


def test_jobs_imports_point_down() -> None:
    """Inside jobs no module imports one of a layer above its own; nothing but __main__ imports the command line."""
    assert upward("jobs", JOBS_LAYERS) == []
    importers = [name_of(source) for source in sources("jobs") if "jobs.cli" in imports(source)]
    assert importers == ["jobs.__main__"]


@pytest.mark.parametrize("half", HALVES)
def test_no_import_cycles(half: str) -> None:
    """No two modules need each other, not even inside functions."""
    graph: dict[str, set[str]] = {
        name_of(source): {i for i in imports(source) if top(i) == half} - {name_of(source)} for source in sources(half)
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_languages_and_values_are_pure() -> None:
    """Schedulers, scripts, values, units and reports import nothing that could touch the world."""
    files = tuple(source for source in sources("launcher") if path_of(source).startswith(PURE))
    assert len(files) >= 8
    assert offenders(files, IO) == []


def test_kernels_are_pure() -> None:
    """The kernels take and return arrays: they import nothing that opens files."""
    files = tuple(source for source in sources("jobs") if path_of(source) in KERNELS)
    assert len(files) == len(KERNELS)
    assert offenders(files, IO | FORMATS) == []


def test_only_few_modules_use_the_network() -> None:
    """Sockets, TLS and HTTP stay in the transports, the tunnel and what speaks through it."""
    assert offenders(sources("launcher"), NETWORK, MAY_USE_NETWORK) == []


def test_only_transports_start_processes() -> None:
    """No other module of the launcher can start a program."""
    assert offenders(sources("launcher"), {"subprocess", "multiprocessing", "pty"}, MAY_START_PROCESSES) == []


def test_node_program_stands_alone() -> None:
    """What is sent to the node imports itself and libraries, nothing of the launcher."""
    files = sources("launcher/node")
    found = [f"{path_of(s)} imports {i}" for s in files for i in imports(s) if top(i) == "launcher"]
    assert [line for line in found if "launcher.node" not in line.partition(" imports ")[2]] == []


def test_command_line_starts_light() -> None:
    """Importing the command line loads none of the heavy libraries: `--help` costs what its parser costs."""
    script = f"import sys, launcher.cli; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


def test_files_can_be_read_in_one_sitting() -> None:
    """No file of the product is longer than 300 lines."""
    lengths = {path_of(source): len(source.read_text(encoding="utf-8").splitlines()) for source in sources(*HALVES)}
    assert {path for path, lines in lengths.items() if lines > LONGEST_FILE} == LONG_ON_PURPOSE


def test_functions_are_short() -> None:
    """No function is longer than 50 lines, and nine of ten have at most 20."""
    found = functions(*HALVES)
    assert [function for function in found if function.lines > LONGEST_FUNCTION] == []
    assert quantiles([function.lines for function in found], n=10)[-1] <= P90_FUNCTION
