"""What cells share is one step, and a key holds what can change a result and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from xharness.collect.cells import collect
from xharness.plan.identity import builtin_folder, identity_of
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.spec.device import Device
from xharness.spec.load import Loaded, load_suite
from xharness.spec.suite import Checkpoint, Retrieval
from xharness.steps.embed import Embed
from xharness.steps.evaluate import Evaluate
from xharness.steps.tune import Tune


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_suite("suites/xtreme.toml", "micro")


def planned(loaded: Loaded, device: Device | None = None, checkpoint: Checkpoint | None = None, **grid: object) -> Plan:
    suite = loaded.suite.model_copy(update={"grid": loaded.suite.grid.model_copy(update=grid)})
    profile = loaded.profile
    if checkpoint is not None:
        suite = suite.model_copy(update={"checkpoint": (checkpoint,)})
        profile = profile.model_copy(update={"checkpoints": (checkpoint.name,)})
    changed = Loaded(loaded.path, suite, loaded.document, loaded.profile_name, profile, loaded.tasks)
    plan = Planner(changed, device=device).plan(collect(changed))
    assert not plan.blocked
    return plan


@pytest.fixture(scope="module")
def plan(loaded: Loaded) -> Plan:
    return planned(loaded)


def kinds(plan: Plan) -> dict[str, int]:
    counts: dict[str, int] = {}
    for step in plan.steps.values():
        counts[step.work.KIND] = counts.get(step.work.KIND, 0) + 1
    return counts


def test_the_whole_grid_is_a_fraction_of_what_cells_would_take_alone(plan: Plan) -> None:
    counts = kinds(plan)
    # 10 intermediates, and for each of 11 rows MNLI, PAWS-X, UDPOS, PAN-X, SQuAD, TyDiQA; those of `none` that are
    # intermediates too (MNLI, SQuAD v1) are made once where their recipes agree.
    assert 10 + 11 * 6 - 2 <= counts["tune"] <= 10 + 11 * 6
    assert counts["evaluate"] == 11 * 7
    assert counts["embed"] == counts["mine"] == 22


def test_xquad_and_mlqa_share_one_tuning(plan: Plan) -> None:
    xquad = plan.under("qqp->xquad[tiny-0]")
    mlqa = plan.under("qqp->mlqa[tiny-0]")
    tuned = [[s.key for s in steps if s.work.KIND == "tune"] for steps in (xquad, mlqa)]
    assert tuned[0] == tuned[1]
    assert len(tuned[0]) == 2
    alone = [{s.work.KIND for s in steps if s.key not in plan.closure([other[-1].key])} for steps, other in
             ((xquad, mlqa), (mlqa, xquad))]  # fmt: skip
    assert alone == [{"encode", "evaluate"}] * 2


def test_all_targets_of_a_row_share_its_intermediate(plan: Plan) -> None:
    rows = [plan.under(c.name) for c in plan.cells if c.intermediate == "hellaswag"]
    assert len({next(s.key for s in steps if s.role == "intermediate") for steps in rows}) == 1


def test_every_seed_and_intermediate_reads_the_same_encoded_splits(loaded: Loaded) -> None:
    one = planned(loaded, intermediates=("none",), targets=("xnli",), seeds=(1,))
    many = planned(loaded, intermediates=("none", "mnli", "qqp"), targets=("xnli",), seeds=(1, 2, 3))
    own = planned(loaded, intermediates=("qqp",), targets=("tatoeba",), seeds=(1,))
    encoded = [{s.key for s in plan.steps.values() if s.work.KIND == "encode"} for plan in (one, many, own)]
    assert encoded[1] == encoded[0] | {k for k in encoded[2] if "tatoeba" not in own.steps[k].work.label}


def test_checkpoints_with_one_tokenizer_share_what_is_encoded(loaded: Loaded, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(builtin_folder("tiny"), other)
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    tuned = [Checkpoint(name="first", builtin="tiny"), Checkpoint(name="second", path=str(other))]
    assert identity_of(tuned[0]).content != identity_of(tuned[1]).content
    assert identity_of(tuned[0]).tokenizer == identity_of(tuned[1]).tokenizer
    plans = [planned(loaded, checkpoint=c, intermediates=("none",), targets=("xnli", "tatoeba")) for c in tuned]
    encoded = [{s.key for s in plan.steps.values() if s.work.KIND == "encode"} for plan in plans]
    assert encoded[0] == encoded[1]
    (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text() + " ")
    assert identity_of(tuned[0]).tokenizer != identity_of(tuned[1]).tokenizer


def test_positions_a_prefix_and_a_length_count_in_what_is_encoded(loaded: Loaded, tmp_path: Path) -> None:
    known = {s.key for s in planned(loaded, intermediates=("none",), targets=("tatoeba",)).steps.values()}
    config = json.loads((builtin_folder("tiny") / "config.json").read_text())
    for change in ({"max_position_embeddings": 20}, {"max_position_embeddings": None}):
        other = tmp_path / str(change["max_position_embeddings"])
        shutil.copytree(builtin_folder("tiny"), other)
        (other / "config.json").write_text(json.dumps({**config, **change}))
        plan = planned(
            loaded,
            checkpoint=Checkpoint(name="other", path=str(other)),
            intermediates=("none",),
            targets=("tatoeba",),
        )
        assert not known & set(plan.steps)
    prefixed = Checkpoint(name="tiny", builtin="tiny", retrieval=Retrieval(prefix="query: "))
    plan = planned(loaded, checkpoint=prefixed, intermediates=("none",), targets=("tatoeba",))
    assert not known & set(plan.steps)


def test_seeds_of_an_untouched_encoder_share_their_embeddings(loaded: Loaded) -> None:
    plan = planned(loaded, intermediates=("none",), targets=("tatoeba", "xnli"), seeds=(1, 2, 3))
    assert kinds(plan) == {"encode": 4, "tune": 3, "evaluate": 3, "embed": 1, "mine": 1}


def test_device_threads_and_workers_are_in_no_key(loaded: Loaded, plan: Plan) -> None:
    other = planned(loaded, Device(device="cuda", threads=7, tokens=123, save_seconds=1))
    assert list(other.steps) == list(plan.steps)


def test_titles_citations_and_what_chooses_are_in_no_key(loaded: Loaded, plan: Plan) -> None:
    free = {"title": "x", "citation": "y", "tags": ("z",), "choose_by": ("bucc", "xnli")}
    tasks = {n: t.model_copy(update=free) for n, t in loaded.tasks.items()}
    renamed = Loaded(loaded.path, loaded.suite, loaded.document, loaded.profile_name, loaded.profile, tasks)
    assert list(planned(renamed).steps) == list(plan.steps)


@pytest.mark.parametrize("change", ["seed", "recipe", "data", "labels", "parent"])
def test_what_changes_a_result_changes_the_key(loaded: Loaded, plan: Plan, change: str) -> None:
    from xharness.store.steps import content_key

    work = next(s.work for s in plan.steps.values() if isinstance(s.work, Tune) and s.work.parent)
    trained = work.tasks[0]
    changed = {
        "seed": {"seed": 99},
        "recipe": {"recipe": work.recipe.model_copy(update={"learning_rate": 0.5})},
        "data": {"tasks": (trained.model_copy(update={"train": "encode-other"}),)},
        "labels": {
            "tasks": (trained.model_copy(update={"task": trained.task.model_copy(update={"labels": ("a", "b")})}),)
        },
        "parent": {"parent": "tune-other"},
    }[change]
    assert content_key("tune", work.model_copy(update=changed).ingredients()) != content_key("tune", work.ingredients())


def test_a_part_of_the_languages_is_a_step_of_its_own_on_the_same_tuning(loaded: Loaded, plan: Plan) -> None:
    from dataclasses import replace

    cell = next(c for c in plan.cells if c.name == "none->xnli[tiny-0]")
    part = Planner(loaded).plan([replace(cell, languages=("de",))])
    *_, tune, encoded, evaluate = part.under(cell.name)
    assert tune.key in {s.key for s in plan.under(cell.name)}
    assert encoded.key not in plan.steps
    assert isinstance(evaluate.work, Evaluate)
    assert evaluate.work.target.languages == ("de",)


def test_the_precision_of_a_recipe_is_that_of_every_step_that_computes(tmp_path: Path) -> None:
    suite = tmp_path / "rounded.toml"
    xtreme = Path("suites/xtreme.toml").absolute()
    suite.write_text(f'extends = "{xtreme}"\n[profile.micro]\nrecipe = {{ precision = "bf16" }}\n')
    chosen = {"intermediates": ("none",), "targets": ("tatoeba", "xnli")}
    rounded, plain = (planned(load_suite(str(path), "micro"), **chosen) for path in (suite, xtreme))
    asked = [s.work for s in rounded.steps.values() if isinstance(s.work, (Embed, Evaluate))]
    assert {work.KIND for work in asked} == {"embed", "evaluate"}
    assert {work.precision for work in asked} == {"bf16"}
    assert {s.work.recipe.precision for s in rounded.steps.values() if isinstance(s.work, Tune)} == {"bf16"}
    keys = [{s.key for s in plan.steps.values() if isinstance(s.work, Embed)} for plan in (rounded, plain)]
    assert not keys[0] & keys[1]
