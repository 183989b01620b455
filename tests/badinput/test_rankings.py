"""Rankings and dual encoders that cannot be: their task files, their rows, and what only the whole pool shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run, assert_nothing_stored, marked

SUITE = """title = "small"
[[checkpoint]]
name = "tiny"
builtin = "tiny"
[grid]
targets = [{targets}]
[profile.micro]
"""
RANKING = 'adapter = "ranking"\nmetric = "map_at_1"\n'
HEAD = 'name = "{name}"\ntitle = "Mine"\n'
DUAL = """name = "pairs"
title = "Pairs"
adapter = "dual_encoder"
metric = "map_at_1"
[data]
train = { file = "pairs.jsonl" }
dev = { file = "pairs.jsonl" }
"""
TEST = 'test = { file = "mine.jsonl" }'

# what is wrong -> (the task file, `#!` on the line to be named; what the message must say)
TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "a pool for each language": (
        f'{RANKING}[data]\n{TEST}\npool = {{ file = "pool.{{lang}}.jsonl" }} #!\n',
        ("data.pool: is one pool for all languages: no {lang} in it. Give several sources ([[data.pool]])",),
    ),
    "a pool that nobody reads": (
        'adapter = "retrieval"\nmetric = "accuracy_tatoeba"\n'
        f'[data]\n{TEST}\npool = {{ file = "pool.jsonl" }} #!\n',
        ("data.pool: the retrieval adapter reads no pool of candidates.", "use the ranking adapter."),
    ),
    "a ranking tuned on what makes no embeddings": (
        f'{RANKING}tune_on = "mnli" #!\n[data]\n{TEST}\n',
        ("tune_on: 'mnli' is a classification task: its head makes no embeddings", "Name a dual_encoder task"),
    ),
    "a ranking tuned on a ranking": (
        f'{RANKING}tune_on = "lareqa" #!\n[data]\n{TEST}\n',
        ("tune_on: 'lareqa' is a ranking task: its head makes no embeddings", "Name a dual_encoder task"),
    ),
    "a bitext that is tuned": (
        f'adapter = "retrieval"\nmetric = "accuracy_tatoeba"\ntune_on = "pairs" #!\n[data]\n{TEST}\n',
        ("tune_on: 'mine' is a retrieval task, which compares embeddings", "use the ranking adapter."),
    ),
    "a classification tuned on a dual encoder": (
        'adapter = "classification"\nmetric = "accuracy"\nlabels = ["no", "yes"]\ntune_on = "pairs" #!\n'
        f"[data]\n{TEST}\n",
        ("tune_on: 'pairs' is a dual_encoder task, 'mine' a classification task: its head would not fit.",),
    ),
    "stages before nothing": (
        f'{RANKING}tune_first = ["pairs"] #!\n[data]\n{TEST}\n',
        ("tune_first: 'mine' is tuned on nothing", "Name a dual_encoder task as tune_on."),
    ),
    "rows of no kind": (
        f'{RANKING}[data]\n{TEST}\n[options]\nrows = "squads" #!\n',
        ("options.rows: must be", "'squad'", "'squads'"),
    ),
    "an index that is none": (
        f'{RANKING}[data]\n{TEST}\n[options]\nindex = "flat" #!\n',
        ("options.index: must be", "'exact'", "'flat'"),
    ),
    "a scale of nothing": (
        f'adapter = "dual_encoder"\nmetric = "map_at_1"\n[data]\ntrain = {{ file = "pairs.jsonl" }}\n{TEST}\n'
        "[options]\nscale = 0 #!\n",
        ("options.scale: must be greater than 0, found 0.",),
    ),
    "a metric of another family": (
        f'{RANKING.replace("map_at_1", "accuracy")}[data]\n{TEST}\n'.replace('"accuracy"', '"accuracy" #!'),
        ("the metric 'accuracy' does not fit the ranking adapter.", "map_at_K"),
    ),
    "languages across, of one side": (
        'adapter = "dual_encoder"\nmetric = "cross_map_at_20" #!\n'
        f'[data]\ntrain = {{ file = "pairs.jsonl" }}\n{TEST}\n',
        ("the metric 'cross_map_at_20' does not fit the dual_encoder adapter.",),
    ),
}  # fmt: skip


def write(folder: Path, tasks: dict[str, str], files: dict[str, str], targets: str = '"mine"') -> None:
    (folder / "tasks").mkdir()
    for name, text in {"pairs": DUAL, **tasks}.items():
        (folder / "tasks" / f"{name}.toml").write_text(text, encoding="utf-8")
    for name, text in files.items():
        (folder / "tasks" / name).write_text(text, encoding="utf-8")
    (folder / "suite.toml").write_text(SUITE.format(targets=targets), encoding="utf-8")


@pytest.mark.parametrize("command", [("run",), ("check", "--files-only")], ids=["run", "check"])
@pytest.mark.parametrize("what", TASKS)
def test_a_task_is_refused_with_its_line(what: str, command: tuple[str, ...], xharness: Run, tmp_path: Path) -> None:
    text, says = TASKS[what]
    text = HEAD.format(name="mine") + text
    write(tmp_path, {"mine": text}, {})
    told = xharness(*command, "suite.toml")
    where = f"tasks/mine.toml:{marked(text)}: "
    assert told.code == 4, told
    assert "Traceback" not in told.out + told.err
    (problem,) = told.problems
    assert where in problem
    assert all(said in problem for said in says), problem
    assert_nothing_stored(tmp_path)


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


SENTENCE = {"id": "s", "candidate": "Anna sings.", "keys": ["q"]}
QUERY = {"id": "q", "query": "Who sings?", "keys": ["q"]}


def squad(start: int = 0, breaks: Any = None, answers: bool = True, **more: Any) -> str:
    """Two questions; the second is what is said."""
    first = {"id": "a", "question": "Who?", "answers": [{"text": "Anna", "answer_start": 0}]}
    second = {"id": "b", "question": "Who?", "answers": [{"text": "Anna", "answer_start": start}] if answers else []}
    whole = {"context": "Anna sings.", "qas": [first]}
    paragraph = {
        "context": "Anna sings. Ben sleeps.",
        "sentence_breaks": breaks or [[0, 11], [12, 23]],
        "qas": [second],
    }
    return json.dumps({"data": [{"title": "t", "paragraphs": [whole, paragraph | more]}]})


def mention(name: str = "m", **more: Any) -> dict[str, Any]:
    return {"example_id": name, "entity_id": "Q1", "mention_span": {"start": 0, "end": 4, "text": "Anna"}} | more


CONTEXT = {"text": "Anna sings.", "sentence_spans": [{"start": 0, "end": 11}], "language": "en"}
LINE = {"context": CONTEXT, "mentions": [mention()]}
NAMED = {"context": CONTEXT, "mention": mention()}
ENTITY = {"entity_id": "Q1", "description": "A singer.", "description_language": "en"}
POOL = lines(ENTITY)
SQUAD = f'{RANKING}[data]\ntest = {{ file = "mine.json", format = "squad" }} #!\n[options]\nrows = "squad"\n'
PLAIN = f"{RANKING}[data]\n{TEST} #!\n"
MENTIONS = f'{RANKING}[data]\n{TEST} #!\npool = {{ file = "pool.jsonl", columns = {{ id = "entity_id" }} }}\n'
MENTIONS += '[options]\nrows = "mewsli_x"\n'
LINKED = MENTIONS.replace(" #!", "").replace("} }\n", "} } #!\n")
TRAINED = f'{RANKING}tune_on = "found"\n[data]\n{TEST}\n'
WHOLE = lines(QUERY, SENTENCE)

# what is wrong -> (the task file, its files, what the message must say)
DATA: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "a question without an answer": (
        SQUAD, {"mine.json": squad(answers=False)},
        ("data.test: [en] ", "mine.json, question 2: the question has no answer, so no sentence answers it."),
    ),
    "an answer in no sentence": (
        SQUAD, {"mine.json": squad(start=0, breaks=[[12, 23]])},
        ("data.test: [en] ", "mine.json, question 2: the answer 'Anna' at 0 lies in no sentence of the context."),
    ),
    "an answer outside": (
        SQUAD, {"mine.json": squad(start=22)},
        ("mine.json, question 2: the answer 'Anna' at 22 lies outside the context of 23 characters.",),
    ),
    "a sentence outside": (
        SQUAD, {"mine.json": squad(breaks=[[0, 11], [12, 24]])},
        ("mine.json, question 2: the sentence [12, 24] lies outside the context of 23 characters.",),
    ),
    "sentences that are numbers": (
        SQUAD, {"mine.json": squad(breaks=[0, 11])},
        ("mine.json, question 2: sentence_breaks must be pairs of whole numbers, found 0.",),
    ),
    "no questions": (
        SQUAD, {"mine.json": '{"data": []}'}, ("data.test: [en] task mine, test [en]: has no rows",),
    ),
    "an empty file": (PLAIN, {"mine.jsonl": "\n"}, ("data.test: [en] task mine, test [en]: has no rows",)),
    "a row of both": (
        PLAIN, {"mine.jsonl": lines(QUERY, SENTENCE | {"query": "a"})},
        ("mine.jsonl:2: a row is a query or a candidate; this one has query and candidate.",),
    ),
    "a query without keys": (
        PLAIN, {"mine.jsonl": lines(SENTENCE, QUERY | {"keys": []})},
        ("mine.jsonl:2: the query has no keys, so no candidate answers it.",),
    ),
    "a row called twice": (
        PLAIN, {"mine.jsonl": lines(QUERY, SENTENCE, SENTENCE)}, ("mine.jsonl:3: repeats the id 's'",),
    ),
    "an entity twice": (
        LINKED, {"mine.jsonl": lines(LINE), "pool.jsonl": lines(ENTITY, ENTITY | {"description": "Another."})},
        ("data.pool: [en] ", "pool.jsonl:2: repeats the id 'Q1'"),
    ),
    "an entity without a description": (
        LINKED, {"mine.jsonl": lines(LINE), "pool.jsonl": lines(ENTITY, {"entity_id": "Q2", "description": ""})},
        ("data.pool: [en] ", "pool.jsonl:2: the entity Q2 has no description."),
    ),
    "a pool that is missing": (LINKED, {"mine.jsonl": lines(LINE)}, ("data.pool: [en] ", "pool.jsonl: does not exist")),
    "a pool of mentions without spans": (
        LINKED, {"mine.jsonl": lines(LINE), "pool.jsonl": lines({"entity_id": "Q1", "context": {}, "mentions": [{}]})},
        ("pool.jsonl:1: cannot be read by the ranking adapter (KeyError: 'mention_span')",),
    ),
    "a mention that is elsewhere": (
        MENTIONS,
        {"mine.jsonl": lines(LINE, {"context": CONTEXT, "mentions": [mention("n"), mention(
            "o", mention_span={"start": 5, "end": 9, "text": "Anna"})]}), "pool.jsonl": POOL},
        ("data.test: [en] ", "mine.jsonl:2: the mention o is not at 5 to 9, where the context has 'sing'."),
    ),
    "a mention that is not labelled": (
        MENTIONS,
        {"mine.jsonl": lines({"context": CONTEXT, "mentions": [mention(entity_id=None)]}), "pool.jsonl": POOL},
        ("mine.jsonl:1: the mention m has no entity_id: it is not labelled.",),
    ),
    "a context without mentions": (
        MENTIONS, {"mine.jsonl": lines({"context": CONTEXT, "mentions": []}), "pool.jsonl": POOL},
        ("mine.jsonl:1: the context has no mentions.",),
    ),
    "lines of something else": (
        MENTIONS, {"mine.jsonl": lines({"text": "a"}), "pool.jsonl": POOL},
        ("mine.jsonl:1: is neither an entity (entity_id, description), nor mentions",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DATA)
def test_check_tells_a_broken_row_with_the_tasks_line_and_the_files(what: str, xharness: Run, tmp_path: Path) -> None:
    text, files, says = DATA[what]
    text = HEAD.format(name="mine") + text
    write(tmp_path, {"mine": text}, files)
    told = xharness("check", "suite.toml")
    assert told.code == 1, told
    assert "Traceback" not in told.out + told.err
    assert "internal error" not in told.err
    (problem,) = told.problems
    assert f"tasks/mine.toml:{marked(text)}: " in problem
    assert all(said in problem for said in says), problem
    assert_nothing_stored(tmp_path)


# What is trained on; no answer is no fault there.
TRAINING: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "a pair without its candidate": (
        "", {"found": lines({"query": "a", "candidate": "b"}, {"query": "a", "candidate": " "})},
        ("found.jsonl:2: the candidate is empty.",),
    ),
    "negatives that are a text": (
        "", {"found": lines({"query": "a", "candidate": "b", "negatives": "c"})},
        ("found.jsonl:1: negatives must be a list of texts, found c.",),
    ),
    "mentions where pairs are wanted": (
        'rows = "mewsli_x"', {"found": lines(LINE)},
        ("found.jsonl:1: a training row needs contextual_mention and entity.",),
    ),
    "a pair whose entity has no description": (
        'rows = "mewsli_x"',
        {"found": lines({"contextual_mention": NAMED, "entity": {"entity_id": "Q1"}})},
        ("found.jsonl:1: the entity Q1 has no description.",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TRAINING)
def test_check_tells_a_broken_row_of_what_a_ranking_is_tuned_on(what: str, xharness: Run, tmp_path: Path) -> None:
    options, files, says = TRAINING[what]
    found = HEAD.format(name="found") + 'adapter = "dual_encoder"\nmetric = "map_at_1"\n[data]\n'
    found += f'train = {{ file = "found.jsonl" }} #!\n[options]\n{options}\n'
    mine = HEAD.format(name="mine") + TRAINED
    write(tmp_path, {"mine": mine, "found": found}, {"mine.jsonl": WHOLE, "found.jsonl": files["found"]})
    told = xharness("check", "suite.toml")
    assert told.code == 1, told
    (problem,) = told.problems
    assert f"tasks/found.toml:{marked(found)}: data.train: [en] " in problem
    assert all(said in problem for said in says), problem


def test_sound_rankings_are_sound(xharness: Run, tmp_path: Path) -> None:
    texts = {"squads": SQUAD.replace("mine.json", "s.json"), "plain": PLAIN, "linked": MENTIONS.replace("mine", "m")}
    tasks = {name: HEAD.format(name=name) + text for name, text in texts.items()}
    files = {"s.json": squad(), "mine.jsonl": WHOLE, "m.jsonl": lines(LINE), "pool.jsonl": POOL}
    write(tmp_path, tasks, files, '"squads", "plain", "linked"')
    told = xharness("check", "suite.toml")
    assert (told.code, told.problems) == (0, [])
    assert "are sound" in told.out


# What only the whole pool shows: (the task file, its rows, what the failed cell says).
POOLS: dict[str, tuple[str, str, str]] = {
    "lost": (PLAIN, lines(QUERY, SENTENCE, {"id": "r", "query": "Who?", "keys": ["none"]}),
             "task lost, test [en]: the query r of 2 has no right candidate in the pool."),
    "deep": (PLAIN.replace("map_at_1", "map_at_3"), lines(QUERY, SENTENCE, SENTENCE | {"id": "t"}),
             "task deep: map_at_3 ranks 3 candidates, and the pool has 2."),
    "bare": (PLAIN, lines(QUERY), "task bare: has no candidates."),
    "mute": (PLAIN, lines(SENTENCE), "task mute, test [en]: has no queries."),
    "twice": (MENTIONS, lines(LINE, {"context": CONTEXT | {"text": "Anna sleeps."}, "mentions": [mention()]}),
              "task twice, test [en]: 2 queries are called m; each needs an id of its own."),
    "two": (MENTIONS.replace(', columns = { id = "entity_id" }', ""), lines(LINE),
            "task two: two candidates are called Q1 and read differently."),
}  # fmt: skip


def test_what_only_the_whole_pool_shows_fails_its_cell_and_no_other(xharness: Run, tmp_path: Path) -> None:
    tasks, files = {"good": HEAD.format(name="good") + PLAIN.replace("mine.", "good.")}, {"good.jsonl": WHOLE}
    for name, (text, rows, _) in POOLS.items():
        own = text.replace("mine.", f"{name}.").replace("pool.jsonl", f"{name}.pool.jsonl")
        tasks[name] = HEAD.format(name=name) + own
        files[f"{name}.jsonl"] = rows
        files[f"{name}.pool.jsonl"] = POOL
    files["two.pool.jsonl"] = lines(ENTITY, ENTITY | {"description": "Another."})
    write(tmp_path, tasks, files, ", ".join(f'"{name}"' for name in tasks))
    told = xharness("run", "suite.toml", "-n", 1, "--device", "cpu")
    assert told.code == 1, told
    assert "Traceback" not in told.out + told.err
    assert "internal error" not in told.out + told.err
    (file,) = (tmp_path / "store").glob("runs/*/run.json")
    cells = {cell["target"]: cell for cell in json.loads(file.read_text())["cells"]}
    assert cells["good"]["status"] == "passed"
    for name, (*_, says) in POOLS.items():
        assert cells[name]["status"] == "failed", cells[name]
        assert cells[name]["reason"] == says
