"""Ranking a large pool beside plain faiss: `python tests/benchmarks/ranking.py [CANDIDATES [QUERIES [WAYS]]]`.

Candidates, 384 wide, lie in half precision on disk, as an embed step leaves them. Ours reads them block by block; the
peer is an IndexFlatIP of all of them. Each runs in a process of its own, so that its peak memory is its own; both must
find the same candidates. WAYS are exact (if none is said), ivf, hnsw, with commas: random vectors are the worst that an
index can be given, so what it finds of them says little of text.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from xharness.search import normalised, ranked

WIDTH, K, BLOCK = 384, 20, 65_536


def make(folder: Path, candidates: int, queries: int) -> None:
    """Random candidates, and queries each near to one of them."""
    chance = np.random.default_rng(0)
    held = np.lib.format.open_memmap(folder / "pool.npy", mode="w+", dtype=np.float16, shape=(candidates, WIDTH))
    for begin in range(0, candidates, BLOCK):
        n = min(BLOCK, candidates - begin)
        held[begin : begin + n] = normalised(chance.standard_normal((n, WIDTH), dtype=np.float32))
    held.flush()
    near = held[chance.integers(0, candidates, queries)].astype(np.float32)
    noise = normalised(chance.standard_normal((queries, WIDTH), dtype=np.float32))
    np.save(folder / "queries.npy", normalised(near + noise))


def search(folder: Path, how: str) -> None:
    """Search, and print seconds and peak memory."""
    pool, queries = np.load(folder / "pool.npy", mmap_mode="r"), np.load(folder / "queries.npy")
    ranked(queries[:1], [queries[:2]], 1)  # What is loaded at the first search is no part of it.
    began = time.perf_counter()
    if how == "faiss":
        import faiss

        index = faiss.IndexFlatIP(WIDTH)
        index.add(np.asarray(pool, dtype=np.float32))
        found = index.search(queries, K)[1]
    else:
        blocks = (normalised(pool[i : i + BLOCK]) for i in range(0, len(pool), BLOCK))
        found = ranked(queries, blocks, K, how)  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    np.save(folder / f"{how}.npy", found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{how:6} {seconds:8.1f} s  peak {peak:6,.0f} MB", flush=True)


def main() -> None:
    """A line for each way, and how much of what exact search finds each finds."""
    given, asked = sys.argv[1:3], sys.argv[3:] or ["exact"]
    candidates, queries = (*map(int, given), *(1_000_000, 15_000)[len(given) :])
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make(folder, candidates, queries)
        print(f"{queries:,} queries among {candidates:,} candidates, the {K} nearest")
        ways = ("faiss", *asked[0].split(","))
        for how in ways:
            subprocess.run([sys.executable, __file__, "search", made, how], check=True)
        exact = np.load(folder / "faiss.npy")
        for how in ways[1:]:
            found = np.load(folder / f"{how}.npy")
            same = np.mean([len({*a} & {*b}) / K for a, b in zip(exact.tolist(), found.tolist(), strict=True)])
            print(f"{how:6} finds {100 * same:.1f} % of what plain faiss finds")


if __name__ == "__main__":
    if sys.argv[1:2] == ["search"]:
        search(Path(sys.argv[2]), sys.argv[3])
    else:
        main()
