"""Rankings from the command line: small files of three languages, tuned and untuned, and scored again by hand."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from inprocess import called
from tiny import WORDS, make_encoder, sentiment_rows, write_rows
from xharness.collect.cells import collect
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.spec.load import load_suite
from xharness.steps.embed import Embed
from xharness.steps.encode import Encode

LANGUAGES = ("en", "de", "zh")
SUITE = """title = "rankings"
[[checkpoint]]
name = "tiny"
path = "it"
[grid]
intermediates = ["none", "mood"]
targets = ["answers", "answers_untuned", "broken", "linked"]
[profile.small]
"""
HEAD = 'name = "{name}"\ntitle = "{name}"\nadapter = "ranking"\nmetric = "map_at_20"\nlanguages = ["en", "de", "zh"]\n'
RECIPE = "[recipe]\nepochs = 2\nbatch_size = 8\nlearning_rate = 3e-3\nmax_length = 48\nevaluations = 0\n"
LENGTHS = "query_length = 24\ncandidate_length = 40\n"
TASKS = {
    "mood": """name = "mood"
title = "Mood"
adapter = "classification"
metric = "accuracy"
labels = ["negative", "positive"]
[data]
train = { file = "mood.jsonl" }
""",
    "found": f"""name = "found"
title = "Found"
adapter = "dual_encoder"
metric = "map_at_20"
[options]
rows = "squad"
pooling = "mean"
scale = 20
{LENGTHS}
[data]
train = {{ file = "squad.train.json", format = "squad" }}
dev = {{ file = "squad.dev.json", format = "squad" }}
""",
    "answers": HEAD + f"""tune_on = "found"
also = ["recall_at_5", "mrr_at_20", "cross_map_at_20", "same_language_at_20"]
[options]
rows = "squad"
{LENGTHS}
[data]
test = {{ file = "squad.{{lang}}.json", format = "squad" }}
""",
    "linked": HEAD + """
[options]
rows = "mewsli_x"
query_length = 32
candidate_length = 32
[data]
test = { file = "mentions.{lang}.jsonl" }
pool = { file = "entities.jsonl", columns = { id = "entity_id" } }
""",
}  # fmt: skip
TASKS["answers_untuned"] = TASKS["answers"].replace('tune_on = "found"\n', "")
TASKS["broken"] = TASKS["answers_untuned"].replace("squad.{lang}", "broken.{lang}")


def squad(chance: random.Random, paragraphs: int, letter: str) -> dict[str, Any]:
    """Paragraphs of three sentences, two of them asked for; ids are the same in every language."""
    made = []
    for number in range(paragraphs):
        sentences = [" ".join(chance.choice(WORDS) for _ in range(4)) + f" {letter}." for _ in range(3)]
        context = " ".join(sentences)
        begins = [sum(len(s) + 1 for s in sentences[:i]) for i in range(3)]
        breaks = [[begin, begin + len(s)] for begin, s in zip(begins, sentences, strict=True)]
        questions = []
        for place in (0, 2):
            words = sentences[place].split()
            answer = {"text": words[1], "answer_start": begins[place] + len(words[0]) + 1}
            questions.append({"id": f"q{number}-{place}", "question": f"{words[0]} {words[2]}?", "answers": [answer]})
        made.append({"context": context, "sentence_breaks": breaks, "qas": questions})
    return {"data": [{"title": "t", "paragraphs": made}]}


def mentions(chance: random.Random, language: str) -> list[dict[str, Any]]:
    rows = []
    for number in range(4):
        held = []
        text = " ".join(chance.choice(WORDS) for _ in range(8)) + "."
        for place in (1, 5):
            words = text.split()
            start = len(" ".join(words[:place])) + 1
            span = {"start": start, "end": start + len(words[place]), "text": words[place]}
            name = f"{language}-{number}-{place}"
            held.append({"example_id": name, "mention_span": span, "entity_id": f"Q{chance.randrange(30)}"})
        context = {"text": text, "sentence_spans": [{"start": 0, "end": len(text)}], "language": language}
        rows.append({"context": context, "mentions": held})
    return rows


def entities(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "entity_id": f"Q{number}", "title": "t", "description": " ".join(chance.choice(WORDS) for _ in range(6)),
            "sentence_spans": [], "description_language": LANGUAGES[number % 3],
        }
        for number in range(30)
    ]  # fmt: skip


def build(folder: Path) -> None:
    make_encoder(folder / "it")
    tasks = folder / "tasks"
    tasks.mkdir()
    for name, text in TASKS.items():
        filled = text.replace("{name}", name)
        recipe = RECIPE.replace("48", "32") if name == "linked" else RECIPE
        (tasks / f"{name}.toml").write_text(filled + recipe)
    (folder / "suite.toml").write_text(SUITE)
    write_rows(tasks / "mood.jsonl", sentiment_rows(32, 1))
    chance = random.Random(1)
    for split in ("train", "dev"):
        (tasks / f"squad.{split}.json").write_text(json.dumps(squad(chance, 12, "a")))
    for language, letter in zip(LANGUAGES, "abc", strict=True):
        text = json.dumps(squad(random.Random(7), 6, letter))
        (tasks / f"squad.{language}.json").write_text(text)
        if language == "de":
            text = text.replace('"sentence_breaks": [[0,', '"sentence_breaks": [[999,', 1)
        (tasks / f"broken.{language}.json").write_text(text)
        write_rows(tasks / f"mentions.{language}.jsonl", mentions(chance, language))
    write_rows(tasks / "entities.jsonl", entities(chance))


@dataclass(frozen=True)
class Ran:
    """A finished run."""

    folder: Path
    code: int
    plan: Plan

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def scores(self, target: str, row: str = "none") -> dict[str, Any]:
        """What is stored of a cell."""
        found: dict[str, Any] = json.loads((self.stored(target, row) / "scores.json").read_text())
        return found

    def stored(self, target: str, row: str = "none") -> Path:
        return self.store / "steps" / self.plan.ends[f"{row}->{target}[tiny-0]"]


def xharness(folder: Path, *words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XHARNESS_STORE", str(folder / "store"))
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["xharness", *map(str, words)])
        return called()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("rankings")
    build(folder)
    code = xharness(folder, "run", "suite.toml", "-n", 1, "--device", "cpu")
    loaded = load_suite(str(folder / "suite.toml"), "small")
    return Ran(folder, code, Planner(loaded).plan(collect(loaded)))


KINDS = ["encode", "embed", "mine"]


def steps(ran: Ran, target: str, row: str = "none") -> dict[str, str]:
    """Kind of step -> the key of the cell's last one of it; of the encode steps that of what is ranked."""
    under = ran.plan.under(f"{row}->{target}[tiny-0]")
    (embed,) = (s.work for s in under if isinstance(s.work, Embed))
    return {s.work.KIND: s.key for s in under} | {"encode": embed.encoded}


def test_a_tuned_and_an_untuned_target_share_what_they_can(ran: Ran) -> None:
    tuned, untuned = steps(ran, "answers"), steps(ran, "answers_untuned")
    assert [*untuned] == KINDS
    assert [*tuned] == ["encode", "tune", "embed", "mine"]
    # One tokenizer reads the same texts for both; what is made of them is of each.
    assert tuned["encode"] == untuned["encode"]
    assert tuned["embed"] != untuned["embed"]
    labels = [s.work.label for s in ran.plan.steps.values()]
    for label in (
        "tune tiny on found, seed 0",
        "tune tiny after mood on found, seed 0",
        "embed answers with tiny after found",
        "embed answers with tiny after mood and found",
        "embed answers_untuned with tiny",
        "embed answers_untuned with tiny after mood",
    ):
        assert labels.count(label) == 1
    # Every row reads the same encoded texts.
    assert steps(ran, "answers", "mood")["encode"] == tuned["encode"]
    assert sum(s.work.KIND == "tune" for s in ran.plan.steps.values()) == 3


def test_training_makes_the_tuned_target_better_than_the_encoder_as_it_is(ran: Ran) -> None:
    for language in LANGUAGES:
        tuned, untuned = (ran.scores(t)["languages"][language]["score"] for t in ("answers", "answers_untuned"))
        assert tuned > untuned + 5


def outcomes(ran: Ran, target: str, language: str, row: str = "none") -> dict[str, tuple[list[str], list[str]]]:
    """Query -> (what was found, what is right), as stored."""
    table = parquet.read_table(ran.stored(target, row) / "outcomes.parquet").to_pylist()
    return {
        held["id"]: (json.loads(held["prediction"]), json.loads(held["reference"]))
        for held in table
        if held["language"] == language
    }


def average_precision(ranked: list[str], right: list[str]) -> float:
    """reference/xtreme-r.md: (sum over hits within 20 of hits so far / rank) / min(right answers, 20)."""
    ranks = [rank for rank, name in enumerate(ranked[:20], 1) if name in right]
    return sum(number / rank for number, rank in enumerate(ranks, 1)) / min(len(right), 20)


def board(ran: Ran) -> dict[tuple[str, str, str], float]:
    """(row, target, language) -> what the board has."""
    (file,) = ran.store.glob("runs/*/records.jsonl")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    return {
        (held["intermediate"], held["target"], held["language"]): held["value"]
        for held in records
        if held["metric"] == "map_at_20"
    }


@pytest.mark.parametrize("target", ["answers", "answers_untuned", "linked"])
@pytest.mark.parametrize("row", ["none", "mood"])
def test_what_is_stored_scores_what_the_board_has_when_scored_by_hand(ran: Ran, target: str, row: str) -> None:
    figures = board(ran)
    for language in LANGUAGES:
        found = outcomes(ran, target, language, row)
        assert len(found) == (8 if target == "linked" else 12)
        mean = np.mean([average_precision(*pair) for pair in found.values()])
        assert figures[row, target, language] == pytest.approx(100 * mean)


def test_right_is_the_sentence_with_the_answer_in_every_language(ran: Ran) -> None:
    for language in LANGUAGES:
        found = outcomes(ran, "answers", language)
        assert {*found} == {f"q{number}-{place}" for number in range(6) for place in (0, 2)}
        paragraphs: dict[str, set[tuple[str, str]]] = {}
        for name, (ranked, right) in found.items():
            parts = [(one.partition(":")[0], *one.partition(":")[2].rsplit("-", 1)) for one in right]
            assert sorted(spoken for spoken, *_ in parts) == sorted(LANGUAGES)
            assert {place for *_, place in parts} == {name[-1]}
            paragraphs.setdefault(name[:2], set()).update((spoken, which) for spoken, which, _ in parts)
            assert len({*ranked}) == 20
        # Both questions of a paragraph are about the same one, and others about others.
        assert {len(held) for held in paragraphs.values()} == {3}
        assert len(set().union(*paragraphs.values())) == 18
        facts = ran.scores("answers")["languages"][language]["facts"]
        assert facts == {"pool": 54, "pool_share": pytest.approx(100 / 3)}


def test_a_pool_in_a_file_of_its_own_is_what_mentions_are_linked_to(ran: Ran) -> None:
    (key,) = (s.key for s in ran.plan.under("none->linked[tiny-0]") if s.work.KIND == "encode")
    about = json.loads((ran.store / "steps" / key / "manifest.json").read_text())["summary"]
    # Thirty entities, read once for all languages, and eight mentions in each of three.
    assert about["examples"] == 30 + 3 * 8
    for language in LANGUAGES:
        gold = {
            mention["example_id"]: [mention["entity_id"]]
            for line in (ran.folder / "tasks" / f"mentions.{language}.jsonl").read_text().splitlines()
            for mention in json.loads(line)["mentions"]
        }
        found = outcomes(ran, "linked", language)
        assert {name: right for name, (_, right) in found.items()} == gold
        for ranked, _ in found.values():
            assert len({*ranked}) == 20
            assert {*ranked} <= {f"Q{number}" for number in range(30)}


def test_a_language_with_a_bad_file_fails_all_since_the_pool_would_lack_its_candidates(ran: Ran) -> None:
    cells = {cell["name"]: cell for cell in run_json(ran)["cells"]}
    assert cells["none->broken[tiny-0]"]["status"] == "failed"
    reason = cells["none->broken[tiny-0]"]["reason"]
    assert "broken.de.json, question 1: the sentence [999, 21] lies outside the context of" in reason
    assert "test [en]: cannot be ranked: the pool lacks the candidates of de, whose data are wrong" in reason
    others = [cell["status"] for name, cell in cells.items() if "broken" not in name]
    assert others == ["passed"] * 6
    assert ran.code == 1


def run_json(ran: Ran) -> dict[str, Any]:
    (file,) = ran.store.glob("runs/*/run.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_a_tuned_target_has_the_dev_score_of_what_it_is_tuned_on_and_an_untuned_one_none(ran: Ran) -> None:
    dev = {cell["name"]: cell["dev"] for cell in run_json(ran)["cells"]}
    tuned = ran.store / "steps" / steps(ran, "answers")["tune"] / "manifest.json"
    assert dev["none->answers[tiny-0]"] == json.loads(tuned.read_text())["summary"]["dev"] > 0
    assert dev["none->answers_untuned[tiny-0]"] is None


def test_two_rows_are_compared_over_their_queries_drawn_together_in_all_languages(
    ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert xharness(ran.folder, "compare", "none", "mood", "--resamples", 500) == 0
    shown = capsys.readouterr().out
    figures = board(ran)
    for target in ("answers", "answers_untuned"):
        line = next(line for line in shown.splitlines() if line.startswith(f"{target} "))
        none, mood = (np.mean([figures[row, target, code] for code in LANGUAGES]) for row in ("none", "mood"))
        assert [f"{none:.1f}", f"{mood:.1f}"] == line.split()[1:3]
        low, high = (float(part) for part in line[line.index("[") + 1 : line.index("]")].split(","))
        assert low < mood - none < high
        assert line.split()[-1] == "36"
    assert "Drawn together over their parallel languages: answers, answers_untuned." in shown


def test_a_second_run_makes_nothing(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in (ran.store / "steps").iterdir())
    capsys.readouterr()
    assert xharness(ran.folder, "run", "suite.toml", "-n", 1, "--device", "cpu", "-k", "not broken") == 0
    assert "0 steps made" in capsys.readouterr().out
    assert sorted(path.name for path in (ran.store / "steps").iterdir()) == before


def test_the_recipe_that_the_suite_gives_a_target_reads_its_test_texts_too(ran: Ran) -> None:
    file = ran.folder / "short.toml"
    file.write_text(SUITE + "[target.answers]\nrecipe = { max_length = 16 }\n")
    loaded = load_suite(str(file), "small")
    plan = Planner(loaded).plan(collect(loaded))
    lengths = {s.work.max_length for s in plan.under("none->answers[tiny-0]") if isinstance(s.work, Encode)}
    assert lengths == {16}


def test_a_part_of_the_languages_is_searched_in_the_whole_pool(ran: Ran) -> None:
    loaded = load_suite(str(ran.folder / "suite.toml"), "small")
    cells = [replace(c, languages=("en",)) for c in collect(loaded) if c.target == "answers"]
    ends = Planner(loaded).plan(cells).ends
    assert ends
    assert all(ran.plan.ends[name] == end for name, end in ends.items())
