"""Rules of the house that no linter knows."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from clozone.cli.processes import render_env_example

ROOT = Path(__file__).parents[2]
CLOZONE = ROOT / "platform" / "clozone"

# Where a person's environment is handed on to the processes of the bundle, or a terminal asked what
# it can show. What the platform itself is told comes through `settings`.
PASS_THE_ENVIRONMENT_ON = {
    "cli/bundle.py",
    "cli/drill.py",
    "local/bundle.py",
    "local/console.py",
    "local/control.py",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every source file of the platform: its path below `clozone`, and its syntax tree."""
    for path in sorted(CLOZONE.rglob("*.py")):
        yield path.relative_to(CLOZONE).as_posix(), ast.parse(path.read_text())


def touches_environment(tree: ast.Module) -> bool:
    """Whether the code names `os.environ`, `os.getenv` or a like, or lets click read variables."""
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=attr) if attr in names:
                return True
            case ast.ImportFrom(module="os", names=imported) if names & {a.name for a in imported}:
                return True
            case ast.keyword(arg="envvar" | "auto_envvar_prefix"):
                return True
    return False


def derives_settings(tree: ast.Module) -> bool:
    """Whether the code takes pydantic's BaseSettings, which reads the environment by itself."""
    return any(
        isinstance(node, ast.ImportFrom) and node.module == "pydantic_settings"
        for node in ast.walk(tree)
    )


def test_platform_stays_a_plain_folder():
    # `platform` is a module of the standard library: a package of that name would hide it, and
    # pytest would put a folder of that name in front of it.
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert [path for path in (ROOT / "tests").rglob("platform") if path.is_dir()] == []


def test_env_example_is_what_the_settings_say():
    assert (ROOT / ".env.example").read_text() == render_env_example()


def test_only_settings_read_the_environment():
    found = list(sources())
    assert {path for path, tree in found if derives_settings(tree)} == {"settings.py"}
    assert {path for path, tree in found if touches_environment(tree)} == PASS_THE_ENVIRONMENT_ON


def test_only_the_command_line_prints():
    printing = {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and not path.startswith("cli/")
    }
    assert printing == set()


def test_every_kind_of_job_has_a_handler_in_the_worker():
    # In a process of its own: here, tests may have attached handlers.
    code = (
        "import importlib\n"
        "from clozone.jobs.kinds import without_handler\n"
        "from clozone.worker import HANDLERS\n"
        "for module in HANDLERS: importlib.import_module(module)\n"
        "print(*without_handler())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_no_two_test_files_have_one_name():
    """pytest imports them by their names alone."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert [name for name in set(names) if names.count(name) > 1] == []
