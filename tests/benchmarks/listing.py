"""How fast the command line starts and lists: `python tests/benchmarks/listing.py [REPEATS]`.

Times are the least of several repeats, wall and processor; memory is the peak of the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = 1011
"""Times 99 cells: a little over 100,000."""


def large_suite(folder: Path) -> Path:
    """A suite of 100,000 cells: the main one under a thousand seeds."""
    path = folder / "large.toml"
    seeds = ", ".join(map(str, range(SEEDS)))
    path.write_text(
        f'extends = "{os.path.relpath(ROOT / "suites" / "xtreme.toml", folder)}"\ntitle = "many"\n'
        f"[grid]\nseeds = [{seeds}]\n"
    )
    return path


def measured(arguments: list[str]) -> tuple[float, float, int]:
    """(wall seconds, processor seconds, peak bytes) of one `xharness` process; its output must end well."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "xharness", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"xharness {' '.join(arguments)} ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main() -> None:
    """Print a line for each of the promises."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        large = str(large_suite(Path(folder)))
        for name, arguments, wanted in (
            ("xharness --help", ["--help"], "0.25 s"),
            ("list suites/xtreme.toml", ["list", str(ROOT / "suites" / "xtreme.toml")], "0.5 s"),
            ("list of 100,000 cells", ["list", large], "3 s, 500 MB"),
            ("list -q of 100,000 cells", ["list", "-q", large], "3 s, 500 MB"),
            ("list --json of 100,000 cells", ["list", "--json", large], "3 s, 500 MB"),
            ("list -k of 100,000 cells", ["list", large, "-k", "squad and not (mlqa or de)"], "3 s, 500 MB"),
        ):
            runs = [measured(arguments) for _ in range(repeats)]
            wall, cpu, memory = min(r[0] for r in runs), min(r[1] for r in runs), max(r[2] for r in runs)
            print(f"{name:30} {wall:6.2f} s  (processor {cpu:5.2f} s)  {memory / 1e6:5.0f} MB   promised {wanted}")


if __name__ == "__main__":
    main()
