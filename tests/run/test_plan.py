"""What cells share is one step, and a key holds what can change a result and nothing else."""

from __future__ import annotations

import pytest

from xharness.collect.cells import collect
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.spec.device import Device
from xharness.spec.load import Loaded, load_suite
from xharness.steps.evaluate import Evaluate
from xharness.steps.tune import Tune


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_suite("suites/xtreme.toml", "micro")


def planned(loaded: Loaded, device: Device | None = None, **grid: object) -> Plan:
    suite = loaded.suite.model_copy(update={"grid": loaded.suite.grid.model_copy(update=grid)})
    changed = Loaded(loaded.path, suite, loaded.document, loaded.profile_name, loaded.profile, loaded.tasks)
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
    assert [s.key for s in xquad[:-1]] == [s.key for s in mlqa[:-1]]
    assert xquad[-1].key != mlqa[-1].key


def test_all_targets_of_a_row_share_its_intermediate(plan: Plan) -> None:
    first = {plan.under(c.name)[0].key for c in plan.cells if c.intermediate == "hellaswag"}
    assert len(first) == 1


def test_seeds_of_an_untouched_encoder_share_their_embeddings(loaded: Loaded) -> None:
    plan = planned(loaded, intermediates=("none",), targets=("tatoeba", "xnli"), seeds=(1, 2, 3))
    assert kinds(plan) == {"tune": 3, "evaluate": 3, "embed": 1, "mine": 1}


def test_device_threads_and_workers_are_in_no_key(loaded: Loaded, plan: Plan) -> None:
    other = planned(loaded, Device(device="cuda", threads=7, tokens=123, save_seconds=1))
    assert list(other.steps) == list(plan.steps)


def test_titles_and_citations_are_in_no_key(loaded: Loaded, plan: Plan) -> None:
    tasks = {n: t.model_copy(update={"title": "x", "citation": "y", "tags": ("z",)}) for n, t in loaded.tasks.items()}
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
        "data": {"tasks": (trained.model_copy(update={"fingerprints": ("other",)}),)},
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
    tune, evaluate = part.under(cell.name)
    assert tune.key == plan.under(cell.name)[0].key
    assert isinstance(evaluate.work, Evaluate)
    assert evaluate.work.target.languages == ("de",)
