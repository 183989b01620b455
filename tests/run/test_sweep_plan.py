"""A swept stage in the plan: a training a value, what equals a plain one is that one, then a choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from xharness.collect.cells import collect
from xharness.collect.fit import check_known
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.plan.sweeping import costs
from xharness.spec.load import load_suite
from xharness.steps.choose import Choose
from xharness.steps.evaluate import Evaluate
from xharness.steps.mine import Mine
from xharness.steps.tune import Tune

HEAD = 'extends = "xtreme"\ntitle = "swept"\nscheme = ""\n'


def planned(folder: Path, rest: str, rows: str = '"none"', targets: str = '"xnli"') -> Plan:
    file = folder / "s.toml"
    grid = f"[grid]\nintermediates = [{rows}]\ntargets = [{targets}]\nseeds = [0]\n"
    file.write_text(HEAD + grid + rest)
    loaded = load_suite(str(file), "micro")
    check_known(loaded)
    plan = Planner(loaded).plan(collect(loaded))
    assert not plan.blocked
    return plan


def trainings(plan: Plan) -> dict[str, Tune]:
    return {key: step.work for key, step in plan.steps.items() if isinstance(step.work, Tune)}


def choices(plan: Plan) -> list[Choose]:
    return [step.work for step in plan.steps.values() if isinstance(step.work, Choose)]


def test_a_value_that_the_plain_recipe_has_is_the_plain_training(tmp_path: Path) -> None:
    (plain,) = trainings(planned(tmp_path, ""))
    swept = planned(tmp_path, "[sweep]\nlearning_rate = [1e-4, 7e-4]\n")
    (choose,) = choices(swept)
    assert [one.values for one in choose.candidates] == [{"learning_rate": 1e-4}, {"learning_rate": 7e-4}]
    assert choose.candidates[1].tuned == plain
    assert choose.candidates[0].tuned != plain


def test_several_settings_make_a_grid_and_one_evaluation_reads_what_is_chosen(tmp_path: Path) -> None:
    plan = planned(tmp_path, "[sweep]\nlearning_rate = [1e-4, 7e-4, 1e-3]\nepochs = [1, 2]\n")
    (choose,) = choices(plan)
    assert len({one.tuned for one in choose.candidates}) == len(trainings(plan)) == 6
    (end,) = plan.ends.values()
    evaluate = plan.steps[end].work
    assert isinstance(evaluate, Evaluate)
    assert plan.steps[str(evaluate.parent)].work is choose
    assert plan.dev == {"none->xnli[tiny-0]": evaluate.parent}
    (cost,) = costs(plan)
    assert cost.sentence().endswith("6 values: 6.0 times the trainings (6 in place of 1)")


def test_targets_that_are_tuned_on_one_task_share_trainings_and_choice(tmp_path: Path) -> None:
    plan = planned(tmp_path, "[sweep]\nlearning_rate = [1e-4, 7e-4]\n", targets='"xquad", "mlqa"')
    assert (len(trainings(plan)), len(choices(plan))) == (2, 1)


def test_a_targets_own_sweep_is_in_place_of_that_of_all_and_an_empty_one_is_none(tmp_path: Path) -> None:
    said = "[sweep]\nlearning_rate = [1e-4, 7e-4]\n[sweep.pawsx]\nepochs = [1, 2, 3]\n[sweep.squad_v1]\n"
    plan = planned(tmp_path, said, targets='"xnli", "pawsx", "xquad"')
    assert {one.on: len(one.candidates) for one in choices(plan)} == {("mnli",): 2, ("pawsx",): 3}
    assert len(trainings(plan)) == 6


def test_a_profiles_sweep_is_in_place_of_the_suites(tmp_path: Path) -> None:
    said = "[sweep]\nlearning_rate = [1e-4, 7e-4]\n[profile.micro.sweep]\nepochs = [1, 2, 3]\n"
    (choose,) = choices(planned(tmp_path, said))
    assert [one.values for one in choose.candidates] == [{"epochs": 1}, {"epochs": 2}, {"epochs": 3}]


@pytest.mark.parametrize("lora", ["", "lora = { rank = 2, keep = true }\n"])
def test_an_intermediate_is_chosen_once_and_all_that_follows_reads_it(tmp_path: Path, lora: str) -> None:
    own = f'[intermediate.own]\ntasks = ["mnli"]\nsweep = {{ learning_rate = [1e-4, 7e-4] }}\n{lora}'
    plan = planned(tmp_path, own, rows='"own", "mnli"', targets='"pawsx", "tatoeba"')
    (choose,) = choices(plan)
    (chosen,) = (key for key, step in plan.steps.items() if step.work is choose)
    after = [w for w in trainings(plan).values() if w.parent == chosen]
    assert [w.tasks[0].task.name for w in after] == ["pawsx"]
    mined = [s.work for s in plan.steps.values() if isinstance(s.work, Mine) and s.work.parent == chosen]
    assert len(mined) == 1
    # The model is kept, those that only took part in the choice are not; one is a row of its own here.
    roles = [plan.steps[one.tuned].role for one in choose.candidates]
    assert plan.steps[chosen].role == "intermediate"
    assert sorted(roles) == ["candidate", "candidate" if lora else "intermediate"]


def test_a_stage_of_a_chain_is_swept_where_it_says_so(tmp_path: Path) -> None:
    own = '[intermediate.own]\nstages = ["mnli", { tasks = ["qqp"], sweep = { warmup = [0.0, 0.5] } }]\n'
    plan = planned(tmp_path, own, rows='"own"', targets='"tatoeba"')
    (choose,) = choices(plan)
    assert choose.on == ("qqp",)
    assert len(trainings(plan)) == 3
    assert len({plan.steps[one.tuned].work.parent for one in choose.candidates}) == 1
