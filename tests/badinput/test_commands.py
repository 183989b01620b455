"""Broken command lines: told in a paragraph that names the nearest thing that would do; nothing is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run, assert_well_said

# command line -> (exit code, what the message must say)
CASES: dict[str, tuple[int, tuple[str, ...]]] = {
    # commands and options
    "rnu xtreme": (4, ("'rnu'", "'run'")),
    "run": (4, ("SUITE", "xharness run --help")),
    "run xtreme --prfile micro": (4, ("--prfile", "--profile")),
    "run xtreme -n 0": (4, ("-n '0'", "at least 1, or auto")),
    "run xtreme -n many": (4, ("-n 'many'", "auto")),
    "run xtreme -n -1": (4, ("-n '-1'",)),
    "run xtreme -n ²": (4, ("-n '²'", "at least 1, or auto")),
    "run xtreme -n 100000 --dry-run": (4, ("-n '100000'", "at most", "auto")),
    "run xtreme --save-every -1": (4, ("--save-every",)),
    "run xtreme --save-every nan": (4, ("--save-every",)),
    "run xtreme --save-every inf": (4, ("--save-every", "inf is not a number of seconds")),
    "run xtreme --stuck-after nan": (4, ("--stuck-after",)),
    "run xtreme --checkpoint _": (4, ("--checkpoint", "the name is empty")),
    "list xtreme -c _": (4, ("-c", "the name is empty")),
    "run xtreme --maxfail 0": (4, ("--maxfail",)),
    "run xtreme --seed one": (4, ("--seed",)),
    "run xtreme --keep al": (4, ("--keep 'al'", "'all'")),
    "run xtreme --by langage": (4, ("--by 'langage'", "'language'")),
    "run xtreme --device tpu": (4, ("--device 'tpu'", "cpu")),
    # suites and profiles
    "run xtrem": (4, ("xtrem: is neither a file nor a shipped suite", "'xtreme'")),
    "run .": (4, ("is a folder; a suite is a TOML file",)),
    "list _": (4, ("' ': is empty; name a suite file",)),
    "run missing.toml": (4, ("missing.toml: is neither a file nor a shipped suite",)),
    f"list {'a' * 5000}": (4, ("is neither a file nor a shipped suite",)),
    "run xtreme --profile mikro": (4, ("no profile 'mikro'", "'micro'")),
    "list xtreme nope": (4, ("nope: is neither a file nor a shipped suite",)),
    "list xtreme none->xnli": (4, ("none->xnli: is neither",)),
    # expressions
    "list xtreme -k squad_and_(": (4, ("-k 'squad and ('", "at column 12", "the end")),
    "list xtreme -k and": (4, ("-k 'and'", "at column 1", "'and'")),
    "list xtreme -k (squad": (4, ("expected ')'", "the end")),
    "list xtreme -k squad_mnli": (4, ("at column 7", "expected 'and', 'or' or the end, found 'mnli'")),
    "list xtreme -m slow": (4, ("-m 'slow'", "no mark is called 'slow'", "skip")),
    "list xtreme -m skip_or": (4, ("-m 'skip or'", "the end")),
    # selections
    "list xtreme -k xnil": (5, ("-k 'xnil' selects none of 99 cells", "'xnli', as in none->xnli[tiny-0]")),
    "list xtreme -k not_tiny": (5, ("selects none of 99 cells",)),
    "list xtreme -m skip": (5, ("-m 'skip' selects none",)),
    "list xtreme --target xnil": (5, ("no cell has the target 'xnil'", "'xnli'")),
    "list xtreme --intermediate mlni": (5, ("no cell has the intermediate 'mlni'", "'mnli'")),
    "list xtreme --checkpoint tinny": (5, ("no cell has the checkpoint 'tinny'", "'tiny'")),
    "list xtreme --seed 7": (5, ("no cell has the seed '7'", "0")),
    "list xtreme --language de,jp": (5, ("no target has the language 'jp'",)),
    "list xtreme --language de,": (4, ("'--language'", "the name is empty")),
    "list xtreme --target xnli,xnil": (5, ("no cell has the target 'xnil'",)),
    "list xtreme --language jp": (5, ("no target has the language 'jp'",)),
    "list xtreme::mnli->xnil": (5, ("no cell is called 'mnli->xnil'", "'mnli->xnli'")),
    "run xtreme none->xnli[xx]": (5, ("xnli does not have the language 'xx'", "ar, de, en")),
    "run xtreme --deselect *": (5, ("none of 99 cells",)),
    # checkpoints
    "run xtreme --checkpoint not/a/hub/id": (4, ("--checkpoint 'not/a/hub/id' is neither a folder nor a hub id",)),
    "run xtreme --checkpoint a_b": (4, ("--checkpoint 'a b'",)),
    # showing
    "show": (4, ("there is no finished run", "--store")),
    "show --format pdf": (4, ("--format 'pdf'", "latex")),
    "show --output /dev/null/x": (4, ("there is no finished run",)),
    "export here": (4, ("there is no finished run",)),
    "why none->xnli": (4, ("'none->xnli' is a cell", "SUITE::none->xnli", "no finished run")),
    "compare none none --resamples 100000000000000": (4, ("--resamples",)),
    "score --predictions . --labels . --json /proc/x/y": (4, ("--json '/proc/x/y' cannot be written",)),
    "show yesterday": (4, ("no finished run is called 'yesterday'",)),
}


def arguments(line: str) -> list[str]:
    """The words of a command line; `_` stands for a space inside one, except in names that have it."""
    return [word.replace("_", " ") if word != "not_a_name" else word for word in line.split()]


@pytest.mark.parametrize("line", CASES, ids=lambda line: line[:60])
def test_a_command_line_is_refused_and_the_nearest_named(line: str, xharness: Run, tmp_path: Path) -> None:
    code, says = CASES[line]
    told = xharness(*arguments(line))
    assert_well_said(told, code, "", says)
    assert told.out == ""
    assert not (tmp_path / "store").exists()


def test_a_file_where_the_store_should_be_is_told(xharness: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = xharness("run", "xtreme", "--store", "file", "none->tatoeba")
    assert_well_said(told, 1, "file: ", ("cannot make the store",))


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("list xtreme -k xnil", 5, "Did you mean"),
        ("list xtrem", 4, "Did you mean 'xtreme'?"),
        ("run xtreme --prfile micro", 4, "--profile"),
    ],
)
def test_a_process_ends_with_the_same_codes(line: str, code: int, says: str, tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "xharness", *line.split()], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert found.returncode == code
    assert says in found.stderr
    assert "Traceback" not in found.stderr
    assert found.stdout == ""
