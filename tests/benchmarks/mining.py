"""What mining takes, beside sorting every tile: `python tests/benchmarks/mining.py [SENTENCES]` a side, 384 wide.

The peer takes the k best of every tile both ways and joins them, as the first version here did, and as LASER's
knnCPU/knnGPU do block by block (facebookresearch/LASER, source/mine_bitexts.py). Both give the same neighbours.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from xharness.search import TILE, Neighbours, neighbours, normalised


def sorting(x: np.ndarray, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Similarities [rows, k] of the k nearest both ways, every tile sorted."""
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    rows, columns = TILE
    best: dict[tuple[int, int], torch.Tensor] = {}

    def add(name: tuple[int, int], tile: torch.Tensor) -> None:
        found = tile.topk(k, dim=1).values
        best[name] = torch.cat([best[name], found], dim=1).topk(k, dim=1).values if name in best else found

    for top in range(0, len(x), rows):
        for left in range(0, len(y), columns):
            tile = xs[top : top + rows] @ ys[left : left + columns].T
            add((0, top), tile)
            add((1, left), tile.T.contiguous())
    sides = [torch.cat([v for (side, _), v in sorted(best.items()) if side == one]).numpy() for one in (0, 1)]
    return sides[0], sides[1]


def main() -> None:
    """A line for each way."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    chance = np.random.default_rng(0)
    x = normalised(chance.normal(size=(n, 384)).astype(np.float32))
    y = normalised(x + 0.8 * chance.normal(size=(n, 384)).astype(np.float32))
    began = time.perf_counter()
    expected = sorting(x, y, 4)
    peer = time.perf_counter() - began
    began = time.perf_counter()
    found: tuple[Neighbours, Neighbours] = neighbours(x, y, 4)
    ours = time.perf_counter() - began
    assert all(np.array_equal(a.similarity, b) for a, b in zip(found, expected, strict=True))
    began = time.perf_counter()
    for top in range(0, n, TILE[0]):
        torch.from_numpy(x[top : top + TILE[0]]) @ torch.from_numpy(y).T
    product = time.perf_counter() - began
    print(f"{n:,} x {n:,}: every tile sorted {peer:.1f} s, ours {ours:.1f} s ({ours / peer:.2f})")
    print(f"of which the product alone {product:.1f} s")


if __name__ == "__main__":
    main()
