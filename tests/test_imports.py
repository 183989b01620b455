"""Who may import what: the table of harness/README.md is held to, and it has no circle.

Imports are read from the source, those inside functions too. What a type checker alone reads does not count.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "harness" / "README.md"
HEAVY = {"torch", "transformers", "datasets", "accelerate", "mteb", "faiss", "scipy", "tokenizers", "safetensors"}
"""Libraries that take a second or more to import, or bring one that does."""


@dataclass(frozen=True)
class Import:
    """One import of one module."""

    by: str
    """The module that imports, dotted."""
    name: str
    """What it imports, dotted."""
    line: int
    top: bool
    """Whether it is imported with its module, and not when a function is called."""


def imports(tree: ast.AST, by: str) -> Iterator[Import]:
    """All imports of a module's source but those for types alone."""

    def walk(node: ast.AST, top: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for other in child.orelse:
                    yield from walk(ast.Module([other], []), top)
                continue
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(by, alias.name, child.lineno, top)
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, f"{by}:{child.lineno}: imports are absolute here"
                for alias in child.names:
                    yield Import(by, f"{child.module}.{alias.name}", child.lineno, top)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, top and not inside)

    return walk(tree, True)


@cache
def sources() -> dict[str, ast.Module]:
    """Every module of the harness and the built-in adapters."""
    return {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for source in (ROOT / "harness", ROOT / "adapters")
        for path in source.rglob("*.py")
    }


@cache
def modules() -> dict[str, tuple[Import, ...]]:
    """What every module imports: modules, not the things in them."""

    def module(name: str) -> str:
        while name not in sources() and name.partition(".")[0] in ("xharness", "xharness_adapters"):
            name = name.rpartition(".")[0]
        return name

    return {
        by: tuple(Import(by, module(found.name), found.line, found.top) for found in imports(tree, by))
        for by, tree in sources().items()
    }


def room(module: str) -> str:
    """The folder or single file of the harness that a module is in; `adapters` for all of theirs."""
    package, _, rest = module.partition(".")
    if package == "xharness_adapters":
        return "adapters"
    return rest.partition(".")[0] if package == "xharness" and rest else package


def table() -> dict[str, frozenset[str]]:
    """Room -> the rooms that it may import, as the README has them."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: frozenset(re.findall(r"\w+", allowed)) - {"nothing"} for name, allowed in rows}


def arrows() -> dict[tuple[str, str], list[Import]]:
    """(room, room that it imports) -> where."""
    found: dict[tuple[str, str], list[Import]] = {}
    for held in modules().values():
        for one in held:
            ours = one.name.partition(".")[0] in ("xharness", "xharness_adapters")
            # The package itself has nothing but its version.
            if ours and room(one.by) != room(one.name) and one.name != "xharness":
                found.setdefault((room(one.by), room(one.name)), []).append(one)
    return found


def test_every_room_stands_in_the_table_of_the_readme() -> None:
    rooms = {room(module) for module in modules()} - {"xharness", "__main__"}
    assert rooms == set(table())


def test_a_room_imports_only_what_the_readme_says() -> None:
    allowed = table()
    wrong = [
        f"{one.by}:{one.line} imports {one.name}"
        for (by, name), where in arrows().items()
        for one in where
        if by != "__main__" and name not in allowed.get(by, frozenset())
    ]
    assert not wrong, "not in the table of harness/README.md:\n" + "\n".join(wrong)


def test_the_readme_allows_nothing_that_nobody_needs() -> None:
    needed = set(arrows())
    assert not [(by, name) for by, names in table().items() for name in sorted(names) if (by, name) not in needed]


def test_no_room_imports_another_that_imports_it() -> None:
    try:
        TopologicalSorter(table()).prepare()
    except CycleError as error:
        pytest.fail(f"rooms in a circle: {' <- '.join(error.args[1])}")


def test_the_harness_finds_adapters_and_never_names_one() -> None:
    assert not [arrow for arrow in arrows() if arrow[1] == "adapters" and arrow[0] != "adapters"]


def test_modules_import_each_other_in_no_circle() -> None:
    graph = {
        by: {one.name for one in held if one.top and one.name in modules()} - {by} for by, held in modules().items()
    }
    # `from package import thing` is resolved to the package, which imports its own parts.
    graph = {by: {name for name in names if not by.startswith(f"{name}.")} for by, names in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules in a circle: {' <- '.join(error.args[1])}")


def heavy_modules() -> dict[str, str]:
    """Module -> why importing it imports a heavy library."""
    why: dict[str, str] = {}
    again = True
    while again:
        again = False
        for by, held in modules().items():
            for one in held:
                library = one.name.partition(".")[0]
                if by in why or not one.top or not (library in HEAVY or one.name in why):
                    continue
                why[by] = f"{by}:{one.line} imports {one.name}" + (f"; {why[one.name]}" if one.name in why else "")
                again = True
    return why


def listed(label: str) -> list[str]:
    """The names in backquotes of a paragraph of the README that begins so."""
    (said,) = re.findall(rf"^{label}: (.*?)\.$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return re.findall(r"`([\w.*]+)`", said)


def short(module: str) -> str:
    """A module as the README names it."""
    return re.sub(r"^xharness_(?=adapters)|^xharness\.", "", module)


def test_only_what_trains_and_computes_imports_torch_and_the_like_with_its_module() -> None:
    patterns = [re.compile(name.replace(".", "\\.").replace("*", "[\\w.]*")) for name in listed("Heavy")]
    wrong = [why for name, why in heavy_modules().items() if not any(p.fullmatch(short(name)) for p in patterns)]
    assert not wrong, "light by harness/README.md, but:\n" + "\n".join(wrong)


def caches(tree: ast.Module) -> Iterator[str]:
    """Functions that remember what they gave, and empty containers of a module that are there to be filled."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any("cache" in ast.unparse(d) for d in node.decorator_list):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is not None and ast.unparse(value) in ("{}", "[]", "set()", "dict()", "list()", "defaultdict(list)"):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_what_a_module_remembers_is_named_in_the_readme() -> None:
    found = {f"{short(name)}.{cached}" for name, tree in sources().items() for cached in caches(tree)}
    assert found == set(listed("Cached"))
