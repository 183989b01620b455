"""Broken task files: refused like broken suites, with the task file's own line."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run, assert_well_said, marked

SUITE = """title = "small"
[[checkpoint]]
name = "tiny"
builtin = "tiny"
[grid]
targets = ["mine"]
[profile.micro]
[profile.large]
"""


def task(
    top: str = "",
    adapter: str = 'adapter = "classification"',
    metric: str = 'metric = "accuracy"',
    labels: str = 'labels = ["no", "yes"]',
    languages: str = 'languages = ["en", "de"]',
    test: str = 'test = { file = "{lang}.tsv" }',
    train: str = 'train = { file = "train.tsv" }',
    rest: str = "",
) -> str:
    """A classification task on local files, and what is put into it."""
    head = f'name = "mine"\ntitle = "Mine"\n{adapter}\n{metric}\n{labels}\n{languages}\n{top}\n'
    return f"{head}\n[data]\n{train}\n{test}\n\n{rest}\n"


RETRIEVAL = {"adapter": 'adapter = "retrieval"', "metric": 'metric = "f1_bucc"', "labels": "", "train": ""}

# what is wrong -> (the task, `#!` on the line to be named; what the message must say)
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "not TOML": ("name = mine #!", ("is not valid TOML",)),
    "an unknown key": (task(top='license = "MIT" #!'), ("license: is not a known key.", "'licence'")),
    "an unknown key in a profile": (
        task(rest="[profile.large]\nlimits = {} #!\n"),
        ("profile.large.limits", "'limit'"),
    ),
    "no adapter": (task(adapter="").replace("name =", "name =", 1), ("adapter: is missing; a task needs it.",)),
    "a name that is not the file's": (task().replace('"mine"', '"yours" #!', 1), ("name: is 'yours'", "mine.toml")),
    "a name with capitals": (task().replace('"mine"', '"Mine" #!', 1), ("name: must match", "found 'Mine'")),
    # sources
    "a source from two places": (
        task(test='test = { file = "a.tsv", hub = "a/b" } #!'),
        ("give exactly one of hub, file, builtin; found hub, file.",),
    ),
    "a source from nowhere": (task(test='test = { split = "test" } #!'), ("exactly one of", "found none")),
    "a file of unknown format": (task(test='test = { file = "a.dat" } #!'), ("the format of 'a.dat' is not known",)),
    "a format that does not exist": (
        task(test='test = { file = "a.dat", format = "tvs" } #!'),
        ("must be 'json'", "found 'tvs'", "Did you mean 'tsv'?"),
    ),
    "a compressed file of unknown format": (
        task(test='test = { file = "a.dat.gz" } #!'),
        ("the format of 'a.dat.gz' is not known",),
    ),
    "an archive": (task(test='test = { file = "a.tar.gz" } #!'), ("a .tar file is not read as it is, unpack it",)),
    "a spreadsheet": (task(test='test = { file = "A.XLSX" } #!'), ("not read as it is, save its sheet as csv",)),
    "an encoding that does not exist": (
        task(test='test = { file = "a.tsv", encoding = "latin-l" } #!'),
        ("there is no encoding 'latin-l' (did you mean 'latin-1'?)", "cp1252", "gb18030"),
    ),
    "an encoding that is none of text": (
        task(test='test = { file = "a.tsv", encoding = "base64" } #!'),
        ("there is no encoding 'base64'",),
    ),
    "an encoding of parquet": (
        task(test='test = { file = "a.parquet", encoding = "latin-1" } #!'),
        ("encoding is for text",),
    ),
    "an encoding of a hub repository": (
        task(test='test = { hub = "a/b", encoding = "latin-1" } #!'),
        ("encoding is for local files; this source is hub.",),
    ),
    "a delimiter of two characters": (
        task(test='test = { file = "a.csv", delimiter = "||" } #!'),
        ("delimiter must be one character", "found '||'"),
    ),
    "a quote as delimiter": (
        task(test="test = { file = 'a.csv', delimiter = '\"' } #!"),
        ("neither quote nor line end",),
    ),
    "a delimiter of jsonl": (
        task(test='test = { file = "a.jsonl", delimiter = ";" } #!'),
        ("delimiter is for csv and tsv; the format of 'a.jsonl' is jsonl.",),
    ),
    "a header of conllu": (
        task(test='test = { file = "a.conllu", header = true } #!'),
        ("header is for csv, tsv and columns; the format of 'a.conllu' is conllu.",),
    ),
    "an unknown key in a source": (task(test='test = { files = "a.tsv" } #!'), ("files", "'file'")),
    "an unknown key in the second source": (
        task(test='test = [\n  { file = "a.tsv" },\n  { file = "b.tsv", colums = {} }, #!\n]'),
        ("data.test.1.colums", "'columns'"),
    ),
    "an unknown built-in data set": (
        task(test='test = { builtin = "xnil", split = "test" } #!'),
        ("no data set 'xnil'", "'xnli'"),
    ),
    "an unknown split of a built-in data set": (
        task(test='test = { builtin = "xnli", split = "tset" } #!'),
        ("no split 'tset'", "'test'"),
    ),
    "rows from behind": (task(test='test = { file = "a.tsv", rows = [0.5, 0.2] } #!'), ("rows must be [from, to]",)),
    "three bounds of rows": (task(test='test = { file = "a.tsv", rows = [0, 0.5, 1] } #!'), ("at most 2 entries",)),
    "a condition that is a list": (
        task(test='test = { file = "a.tsv", where = { a = [1] } } #!'),
        ("where.a: must be a string or a whole number, found a list of 1.",),
    ),
    "a side of a bitext that does not exist": (
        task(**RETRIEVAL, test='test = [{ file = "a.tsv", side = "left" }] #!'),
        ("must be source, target or gold, found 'left'.",),
    ),
    # labels, languages, columns
    "a label twice": (task(labels='labels = ["no", "yes", "no"] #!'), ("labels: names 'no' 2 times",)),
    "labels that are numbers": (task(labels="labels = [0, 1] #!"), ("labels.0: must be a string, found 0.",)),
    "a label map to no label": (task(rest='[label_map]\nja = "yse" #!\n'), ("label_map.ja: 'yse'", "'yes'")),
    "a language twice": (task(languages='languages = ["en", "en"] #!'), ("languages: names 'en' 2 times",)),
    "a language by its name": (task(languages='languages = ["German"] #!'), ("'German' is no language code", "'de'")),
    "a language with its country": (
        task(languages='languages = ["pt-BR"] #!'),
        ("'pt-BR' is no language code", "'pt'"),
    ),
    "no language": (task(languages="languages = [] #!"), ("languages: is empty",)),
    "a code for a language that the task lacks": (task(rest='[codes]\njp = "jpn" #!\n'), ("'jp'",)),
    "a column that the adapter lacks": (task(rest='[columns]\ntxt = "sentence" #!\n'), ("no column 'txt'", "'text'")),
    "a column of a source that the adapter lacks": (
        task(test='test = { file = "a.tsv", columns = { lable = "gold" } } #!'),
        ("no column 'lable'", "'label'"),
    ),
    "a column that is a number": (
        task(rest="[columns]\ntext = 3 #!\n"),
        ("columns.text: must be a string or a list, found 3.",),
    ),
    # what fits what
    "an unknown adapter": (task(adapter='adapter = "clasification" #!'), ("'clasification'", "'classification'")),
    "an unknown metric": (
        task(metric='metric = "acuracy" #!'),
        ("metric: there is no metric called 'acuracy'", "'accuracy'"),
    ),
    "a metric of another family": (
        task(metric='metric = "f1_entity" #!'),
        ("'f1_entity' does not fit the classification adapter.", "Allowed: accuracy, f1_macro, matthews, pearson."),
    ),
    "a further metric of another family": (task(top='also = ["squad"] #!'), ("also: the metric 'squad' does not fit",)),
    "an option that the adapter lacks": (
        task(rest='[options]\nmargin = "ratio" #!\n'),
        ("options.margin: is not a known key",),
    ),
    "an option of the wrong kind": (
        task(**RETRIEVAL, rest='[options]\nkind = "mine"\nk = "four" #!\n'),
        ("options.k: must be a whole number, found 'four'.",),
    ),
    "an option out of bounds in a profile": (
        task(**RETRIEVAL, rest="[profile.micro]\noptions.k = 0 #!\n"),
        ("k: must be greater than or equal to 1, found 0.",),
    ),
    "an unknown tune_on": (task(top='tune_on = "mlni" #!'), ("tune_on: there is no task called 'mlni'", "'mnli'")),
    "a task tuned on itself": (task(top='tune_on = "mine" #!'), ("tune_on: a task is tuned on its own data anyway",)),
    "chosen by no task": (task(top='choose_by = "mlni" #!'), ("choose_by: there is no task called 'mlni'", "'mnli'")),
    "one of several is no task": (task(top='choose_by = ["mnli", "mlni"] #!'), ("there is no task called 'mlni'",)),
    "chosen by itself": (
        task(top='choose_by = "mine" #!'),
        ("choose_by: a target is chosen by its own dev set anyway",),
    ),
    "chosen by one task twice": (task(top='choose_by = ["mnli", "mnli"] #!'), ("names 'mnli' 2 times",)),
    "chosen by no name": (task(top="choose_by = 3 #!"), ("choose_by: must be",)),
    "a task tuned on another family": (task(top='tune_on = "udpos" #!'), ("'udpos' is a tagging task",)),
    "a task tuned on other labels": (
        task(top='tune_on = "mnli" #!'),
        ("has other labels than", "only 'mnli' has entailment"),
    ),
    "a target without test data": (task(test="").replace("[data]", "[data] #!"), ("'mine' has no test data",)),
    "a target with nothing to tune on": (
        task(train="").replace("[data]", "[data] #!"),
        ("has no train data", "tune_on"),
    ),
    # recipes
    "an unknown recipe key": (task(rest="[recipe]\nlr = 1e-5 #!\n"), ("recipe.lr: is not a known key.",)),
    "no epochs": (task(rest="[recipe]\nepochs = 0 #!\n"), ("recipe.epochs: must be greater than 0, found 0.",)),
    "the best of no evaluations": (
        task(rest='[recipe]\nevaluations = 3\nselect = "best"\n[profile.micro]\nrecipe.evaluations = 0 #!\n'),
        ('select = "best" needs evaluations >= 1',),
    ),
    "a length that holds nothing": (
        task(rest="[profile.micro]\nrecipe = { max_length = 2 } #!\n"),
        ("recipe.max_length: must be greater than or equal to 8, found 2.",),
    ),
}


@pytest.mark.parametrize(
    "chooser",
    [
        # Nothing is fitted on dev where the nearest sentence is taken, so it gives no score.
        """adapter = "retrieval"
metric = "accuracy_tatoeba"
options = { kind = "nearest" }
[data]
dev = { file = "{lang}.dev.tsv" }
test = { file = "{lang}.tsv" }
""",
        """adapter = "classification"
metric = "accuracy"
labels = ["no", "yes"]
[data]
train = { file = "train.tsv" }
test = { file = "{lang}.tsv" }
""",
    ],
    ids=["nearest", "no dev data"],
)
def test_a_target_without_a_dev_score_cannot_choose_for_another(chooser: str, xharness: Run, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    text = task(top='choose_by = "other" #!')
    (tmp_path / "tasks" / "mine.toml").write_text(text, encoding="utf-8")
    (tmp_path / "tasks" / "other.toml").write_text(f'name = "other"\ntitle = "Other"\n{chooser}', encoding="utf-8")
    (tmp_path / "suite.toml").write_text(SUITE.replace('["mine"]', '["mine", "other"]'), encoding="utf-8")
    told = xharness("run", "suite.toml")
    says = ("choose_by: 'other' has no dev score in the profile 'micro' to choose for 'mine' by.",)
    assert_well_said(told, 4, f"tasks/mine.toml:{marked(text)}: ", says)


@pytest.mark.parametrize("what", CASES)
def test_a_task_is_refused_with_its_line_and_what_would_do(what: str, xharness: Run, tmp_path: Path) -> None:
    text, says = CASES[what]
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.toml").write_text(text, encoding="utf-8")
    (tmp_path / "suite.toml").write_text(SUITE, encoding="utf-8")
    told = xharness("run", "suite.toml")
    assert_well_said(told, 4, f"tasks/mine.toml:{marked(text) or 1}: ", says)
    assert not (tmp_path / "store").exists()
