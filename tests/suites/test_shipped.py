"""The task files and suites that come with the package."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from xharness import micro
from xharness.adapter import load_adapter
from xharness.collect.cells import collect
from xharness.metrics import metric
from xharness.spec.load import load_suite, load_task, shipped_suites
from xharness.spec.parse import read_document
from xharness.spec.recipe import Recipe
from xharness.spec.task import SPLITS, Data, Task

SUITES = shipped_suites()
TASKS = {file.stem: file for file in sorted((SUITES / "tasks").glob("*.toml"))}
SUITE_FILES = [*sorted(SUITES.glob("*.toml")), *sorted((SUITES / "studies").glob("*.toml"))]
PROFILES = ("micro", "sample", "paper")
XTREME = {
    "xnli": 15,
    "pawsx": 7,
    "udpos": 33,
    "panx": 40,
    "xquad": 11,
    "mlqa": 7,
    "tydiqa": 9,
    "bucc": 4,
    "tatoeba": 36,
}
XTREME_R = {
    "xnli": 15,
    "xcopa": 11,
    "udpos_r": 38,
    "panx_r": 48,
    "xquad_r": 12,
    "mlqa": 7,
    "tydiqa": 9,
    "tatoeba_r": 41,
    "mewslix": 11,
    "lareqa": 11,
}
OF_THE_GENERATOR = ("xcopa",)
"""Targets whose miniature is in the generator's languages: it has three of XCOPA's eleven."""
INTERMEDIATES = ("anli_plus", "mnli", "qqp", "squad_v1", "squad_v2", "hellaswag", "ccg", "cosmosqa", "commonsenseqa")

every_task = pytest.mark.parametrize("name", TASKS)


def task(name: str, profile: str = "paper") -> Task:
    return load_task(read_document(TASKS[name]), profile)


def raw(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


@every_task
def test_a_task_file_parses_in_every_profile_and_bears_its_task_s_name(name: str) -> None:
    for profile in PROFILES:
        found = task(name, profile)
        assert found.name == name
        assert found.licence
        assert found.citation
        assert found.tags


@pytest.mark.parametrize("file", [*TASKS.values(), *SUITE_FILES], ids=lambda f: str(f.relative_to(SUITES)))
def test_the_first_line_points_an_editor_to_the_schema(file: Path) -> None:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    kind = "task" if file.parent.name == "tasks" else "suite"
    assert first.startswith("#:schema ")
    assert (file.parent / first.removeprefix("#:schema ")).resolve() == (SUITES / "schemas" / f"{kind}.json").resolve()


@pytest.mark.parametrize(("name", "length"), {**XTREME, **XTREME_R}.items())
def test_language_lists_have_the_published_lengths(name: str, length: int) -> None:
    languages = task(name).languages
    assert len(languages) == len(set(languages)) == length


@pytest.mark.parametrize(("scheme", "names"), [("xtreme", XTREME), ("xtreme-r", XTREME_R)])
def test_languages_are_those_that_the_scheme_averages(scheme: str, names: dict[str, int]) -> None:
    published = raw(SUITES / "schemes" / f"{scheme}.toml")["task"]
    for name in names:
        theirs = published["bucc2018" if name == "bucc" else name.removesuffix("_r")]["languages"]
        assert set(task(name).languages) == set(theirs), name


def test_tatoebas_codes_are_those_of_its_files_also_for_the_added_languages() -> None:
    # tatoeba_preprocess() of google-research/xtreme utils_preprocess.py.
    added = {"az": "aze", "lt": "lit", "pl": "pol", "uk": "ukr", "ro": "ron"}
    assert task("tatoeba_r").codes == {**task("tatoeba").codes, **added}


@every_task
def test_labels_are_unique_and_the_label_map_leads_to_them(name: str) -> None:
    found = task(name)
    assert len(found.labels) == len(set(found.labels))
    assert set(found.label_map.values()) <= set(found.labels)


@every_task
def test_codes_are_for_languages_of_the_task(name: str) -> None:
    for profile in PROFILES:
        found = task(name, profile)
        assert set(found.codes) <= set(task(name).languages) | {"en"}
        assert len(set(found.codes.values())) == len(found.codes)


@every_task
def test_a_profile_only_takes_languages_away(name: str) -> None:
    for profile in ("micro", "sample"):
        allowed = set(task(name).languages)
        if profile == "micro" and name in OF_THE_GENERATOR:
            allowed = set(micro.LANGUAGES) - {"en"}
        assert set(task(name, profile).languages) <= allowed


@every_task
def test_what_a_target_is_tuned_on_exists_and_has_train_and_dev_data_and_the_same_labels(name: str) -> None:
    for profile in PROFILES:
        found = task(name, profile)
        if not load_adapter(found.adapter).trains and not found.tune_on:
            continue
        source = task(found.tune_on, profile) if found.tune_on else found
        assert source.data.train
        assert source.data.dev
        # Rankings are by embeddings, which a dual encoder makes.
        assert source.adapter == ("dual_encoder" if found.adapter == "ranking" else found.adapter)
        if found.adapter != "multiple_choice":
            assert source.labels == found.labels


@every_task
def test_what_is_trained_before_a_target_trains_and_has_train_and_dev_data(name: str) -> None:
    for profile in PROFILES:
        found = task(name, profile)
        for first in found.tune_first:
            source = task(first, profile)
            assert load_adapter(source.adapter).trains
            assert source.data.train
            assert source.data.dev
            # The head goes on from one to the other.
            assert source.adapter == found.adapter


def test_a_ranking_and_what_it_is_tuned_on_read_the_same_lengths_of_both_sides() -> None:
    for profile in PROFILES:
        for name in TASKS:
            found = task(name, profile)
            if found.adapter != "ranking" or not found.tune_on:
                continue
            source = task(found.tune_on, profile)
            for key in ("rows", "query_length", "candidate_length"):
                assert source.options[key] == found.options[key], (name, profile, key)
            assert Recipe(**source.recipe) == Recipe(**found.recipe), (name, profile)


@pytest.mark.parametrize("name", [name for name in TASKS if name.endswith("_untuned")])
def test_an_untuned_target_is_the_tuned_one_but_for_its_tuning(name: str) -> None:
    for profile in PROFILES:
        one, other = task(name, profile), task(name.removesuffix("_untuned"), profile)
        assert other.tune_on
        assert one == other.model_copy(update={"name": name, "title": f"{other.title}, untuned", "tune_on": None})


def test_targets_tuned_on_the_same_task_have_one_recipe_so_that_they_share_the_tuning() -> None:
    for profile in PROFILES:
        by_source: dict[str, set[str]] = {}
        for name in TASKS:
            found = task(name, profile)
            # A task without a miniature is no target there.
            if found.tune_on and (profile != "micro" or _has_micro(name)):
                by_source.setdefault(found.tune_on, set()).add(Recipe(**found.recipe).model_dump_json())
        assert all(len(recipes) == 1 for recipes in by_source.values()), (profile, by_source)


@every_task
def test_metrics_exist(name: str) -> None:
    found = task(name)
    assert all(metric(one).fits(found) is None for one in (found.metric, *found.also))


def _built_in(data: Data) -> dict[str, list[Any]]:
    return {split: [s for s in getattr(data, split) if s.builtin] for split in SPLITS}


def _has_micro(name: str) -> bool:
    return "micro" in raw(TASKS[name]).get("profile", {})


@pytest.mark.parametrize("name", [n for n in TASKS if _has_micro(n)])
def test_the_micro_profile_needs_only_the_generator_and_languages_that_it_has(name: str) -> None:
    found = task(name, "micro")
    sources = _built_in(found.data)
    for split, given in sources.items():
        assert len(given) == len(getattr(found.data, split)), f"{split} is not built in"
        for source in given:
            languages = found.languages if split == "test" or found.adapter == "retrieval" else ("en",)
            # A pool is one for all languages, and belongs to the test rows.
            assert source.split == ("test" if split == "pool" else split)
            assert set(languages) <= set(micro.DATASETS[source.builtin].languages)
            if found.labels and found.adapter != "multiple_choice":
                assert set(micro.DATASETS[source.builtin].labels) <= set(found.labels)


@pytest.mark.parametrize("name", [n for n in TASKS if _has_micro(n)])
def test_micro_splits_are_drawn_with_seeds_of_their_own(name: str) -> None:
    seeds = {split: {s.seed for s in given} for split, given in _built_in(task(name, "micro").data).items() if given}
    assert sum(map(len, seeds.values())) == len(set().union(*seeds.values()))


@pytest.mark.parametrize("name", INTERMEDIATES)
def test_an_intermediate_has_english_train_and_dev_data_in_every_profile(name: str) -> None:
    for profile in PROFILES:
        found = task(name, profile)
        assert found.languages == ("en",)
        assert found.data.train
        assert found.data.dev


@pytest.mark.parametrize("file", SUITE_FILES, ids=lambda f: str(f.relative_to(SUITES)))
def test_a_shipped_suite_loads_in_each_of_its_profiles_and_has_cells(file: Path) -> None:
    profiles = load_suite(str(file)).suite.profile
    assert set(PROFILES) <= set(profiles)
    for profile in profiles:
        loaded = load_suite(str(file), profile)
        cells = collect(loaded)
        assert cells
        if not loaded.profile.comparable:
            assert "not comparable" in loaded.profile.note
        if profile == "micro":
            needed = {n for n in loaded.tasks if not _has_micro(n)}
            assert not needed, f"these would leave the generator: {needed}"


def test_the_main_suite_is_eleven_rows_by_nine_targets_in_micro() -> None:
    loaded = load_suite("xtreme")
    assert loaded.profile_name == "micro"
    assert loaded.profile.note == "micro: synthetic miniature, not comparable with published numbers"
    assert loaded.intermediates == ("none", *INTERMEDIATES, "all")
    assert loaded.suite.mixture["all"].tasks == INTERMEDIATES
    assert set(loaded.targets) == set(XTREME)
    assert len(collect(loaded)) == 11 * 9


def test_tasks_that_read_the_same_data_read_the_same_columns() -> None:
    # One that is wrong in a copy fails on real data alone: the miniature's rows have the adapter's own columns.
    read: dict[tuple[str, str | None, str], dict[str, object]] = {}
    for name in TASKS:
        found = task(name)
        for split in ("train", "dev", "test"):
            for source in getattr(found.data, split):
                if source.hub:
                    place = (source.hub, source.config, found.adapter)
                    columns = dict(source.columns or found.columns)
                    first = read.setdefault(place, columns)
                    same = {key: (value, first[key]) for key, value in columns.items() if key in first}
                    assert all(one == other for one, other in same.values()), (name, place, same)
