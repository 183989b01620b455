"""What reading from the Hub takes, beside `datasets.load_dataset`: `python tests/benchmarks/hub.py [REPEATS]`.

Set HF_ENDPOINT to the Hub or a copy of it. Every reading is a fresh process, as a step of a run is; the first on an
empty cache, the others on what the first has left. Times are the least of several repeats; memory is the peak of the
process. Both ways read the same rows: their checksums are compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

REPO = "google/xtreme"
FAMILIES = {"Tatoeba": ("tatoeba.", "validation"), "PAN-X": ("PAN-X.", "test")}
READ = """
import sys, zlib
way, repo, split, *configs = sys.argv[1:]
if way == "hub_rows":
    from xharness.data.hub import hub_rows
    read = lambda config: hub_rows(repo, config, split, None)
else:
    import datasets
    datasets.disable_progress_bars()
    read = lambda config: datasets.load_dataset(repo, config, split=split)
n = crc = 0
for config in configs:
    for row in read(config):
        n, crc = n + 1, zlib.crc32(repr(row).encode(), crc)
print(n, crc)
"""


@dataclass(frozen=True)
class Reading:
    """What one process took, and what it read."""

    seconds: float
    memory: int
    said: str


def reading(way: str, home: str, split: str, configs: list[str]) -> Reading:
    """Read the split of all configs in a process of its own."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", READ, way, REPO, split, *configs],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "HF_HOME": home},
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{way} ended with {process.returncode}")
    return Reading(time.perf_counter() - began, usage.ru_maxrss * 1024, said)


def names(prefix: str) -> list[str]:
    """The configs of a family, of the repository's card."""
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(REPO).data.to_dict()
    return [c["config_name"] for c in card["configs"] if c["config_name"].startswith(prefix)]


def main() -> None:
    """A line for each family and state of the cache."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    if "HF_ENDPOINT" not in os.environ:
        raise SystemExit("set HF_ENDPOINT")
    for family, (prefix, split) in FAMILIES.items():
        configs = names(prefix)
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            homes = {"hub_rows": one, "load_dataset": other}
            for state, times in (("first", 1), ("again", repeats)):
                best: dict[str, Reading] = {}
                for way in [*homes] * times:
                    found = reading(way, homes[way], split, configs)
                    best[way] = min(found, best.get(way, found), key=lambda r: r.seconds)
                ours, theirs = best["hub_rows"], best["load_dataset"]
                if ours.said != theirs.said:
                    raise SystemExit(f"{family}: the rows differ: {ours.said} {theirs.said}")
                print(
                    f"{family:8} {len(configs)} configs, {state}: {ours.seconds:6.2f} s, load_dataset"
                    f" {theirs.seconds:6.2f} s, {theirs.seconds / ours.seconds:5.1f} times;"
                    f" {ours.memory / 1e6:4.0f} MB, load_dataset {theirs.memory / 1e6:4.0f} MB"
                )


if __name__ == "__main__":
    main()
