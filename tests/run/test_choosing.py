"""The step that chooses reads dev scores alone, takes the first of equal ones, and hands on the whole model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xharness.errors import DataError
from xharness.spec.suite import Checkpoint
from xharness.steps import StepContext, perform
from xharness.steps.choose import Candidate, Choose


def chosen(root: Path, dev: dict[str, float | None], rises: bool = True, diverged: tuple[str, ...] = ()) -> str:
    """The key that is chosen among trainings with these dev scores."""
    for key, score in dev.items():
        if key not in diverged:
            (root / key / "encoder").mkdir(parents=True)
            (root / key / "manifest.json").write_text(json.dumps({"summary": {"dev": score}}))
            (root / key / "encoder" / "weights").write_text(key)
    work = Choose(
        checkpoint=Checkpoint(name="tiny", builtin="tiny"),
        identity="one",
        on=("mnli",),
        candidates=tuple(Candidate(values={"epochs": n + 1.0}, tuned=key) for n, key in enumerate(dev)),
        higher_is_better=rises,
    )
    out = root / "out"
    out.mkdir()
    made = perform(
        work, StepContext(lambda key: root / key, out, root, lambda said: None, diverged=frozenset(diverged))
    )
    assert [str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()] == ["encoder/weights"]
    assert (out / "encoder" / "weights").read_text() == made["tuned"]
    assert [one["key"] for one in made["tried"]] == list(dev)
    assert all(one["dev"] == dev[one["key"]] or one["dev"] is None for one in made["tried"])
    return str(made["tuned"])


def test_the_best_on_dev_is_chosen_and_of_equal_ones_the_first(tmp_path: Path) -> None:
    assert chosen(tmp_path, {"a": 50.0, "b": 70.0, "c": 70.0}) == "b"


def test_where_a_low_score_is_good_the_lowest_is_chosen(tmp_path: Path) -> None:
    assert chosen(tmp_path, {"a": 50.0, "b": 70.0, "c": 50.0}, rises=False) == "a"


def test_what_diverged_or_has_no_number_is_not_chosen(tmp_path: Path) -> None:
    assert chosen(tmp_path, {"a": 0.0, "b": 1.0, "c": float("nan")}, diverged=("a",)) == "b"


def test_without_any_dev_score_nothing_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no value has a dev score"):
        chosen(tmp_path, {"a": None, "b": 1.0}, diverged=("b",))
