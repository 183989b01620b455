"""Broken suites: each is refused before anything is touched, with file, line, key, and what would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run, assert_nothing_stored, assert_well_said, marked


def suite(top: str = "", grid: str = 'targets = ["xnli"]', rest: str = "", title: str = 'title = "small"') -> str:
    """A suite with one checkpoint and one target, and what is put into it."""
    return f'{title}\n{top}\n[[checkpoint]]\nname = "tiny"\nbuiltin = "tiny"\n\n[grid]\n{grid}\n\n{rest}\n'


SECOND = '[[checkpoint]]\nname = "b"\n'
MIX = '[mixture.two]\ntasks = ["mnli", "qqp"]\n'
PROFILE = "[profile.micro]\n"
ROWS = 'targets = ["xnli"]\nintermediates = '

# what is wrong -> (the suite, `#!` on the line to be named; what the message must say)
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    # not TOML
    "a value without quotes": ("title = small #!", ("is not valid TOML",)),
    "a list that never ends": ('title = "a"\n[grid]\ntargets = ["xnli",\n#!', ("is not valid TOML",)),
    "a key twice": ('title = "a"\ntitle = "b" #!', ("is not valid TOML", "overwrite")),
    "a table twice": (suite(rest="[grid] #!\n"), ("is not valid TOML",)),
    # keys
    "an unknown key at the top": (suite(top='titel = "x" #!'), ("titel: is not a known key.", "'title'")),
    "an unknown table": (suite(rest="[profiles.micro] #!\n"), ("profiles", "'profile'")),
    "an unknown key in a table": (suite(grid='targets = ["xnli"]\nseed = 1 #!'), ("grid.seed", "'seeds'")),
    "an unknown key in a list of tables": (
        suite(rest=SECOND + 'hubb = "a/b" #!\n'),
        ("checkpoint.1.hubb", "'hub'"),
    ),
    "an unknown key in an inline table": (
        suite(rest=SECOND + 'hub = "a/b"\nretrieval = { layer = 3, pool = "mean" } #!\n'),
        ("checkpoint.1.retrieval.pool", "'pooling'"),
    ),
    "an unknown key two tables deep": (suite(rest=PROFILE + "limit = { trian = 3 } #!\n"), ("trian", "'train'")),
    "no title": (suite(title="#!"), ("title: is missing; a suite needs it.",)),
    "no grid": ('title = "a" #!\n', ("grid: is missing",)),
    "no targets": (suite(grid="seeds = 1").replace("[grid]", "[grid] #!"), ("grid.targets: is missing; a grid",)),
    "a checkpoint without a name": (suite(rest='[[checkpoint]] #!\nhub = "a/b"\n'), ("checkpoint.1.name: is missing",)),
    # types
    "a title that is a number": (suite(title="title = 3 #!"), ("title: must be a string, found 3.",)),
    "a title that is a date": (suite(title="title = 2020-05-27 #!"), ("must be a string, found 2020-05-27.",)),
    "targets that are a string": (suite(grid='targets = "xnli" #!'), ("grid.targets: must be a list, found 'xnli'.",)),
    "a target that is a number": (suite(grid='targets = ["xnli",\n 3, #!\n]'), ("grid.targets.1: must be a string",)),
    "a table where a list should be": (suite(grid="targets = { a = 1 } #!"), ("must be a list, found a table of 1.",)),
    "a switch in quotes": (
        suite(rest='[[mark]]\ncells = "*"\nskip = "yes" #!\nreason = "r"\n'),
        ("mark.0.skip: must be true or false, found 'yes'.",),
    ),
    "seeds in words": (suite(grid='targets = ["xnli"]\nseeds = "one" #!'), ("grid.seeds", "found 'one'")),
    "a seed with a fraction": (
        suite(grid='targets = ["xnli"]\nseeds = [1.5] #!'),
        ("seeds.0: must be a whole number",),
    ),
    "a seed that is true": (suite(grid='targets = ["xnli"]\nseeds = true #!'), ("grid.seeds", "found true")),
    "a seed below zero": (suite(grid='targets = ["xnli"]\nseeds = [0, -1] #!'), ("grid.seeds", "between 0 and", "-1")),
    "no seed at all": (suite(grid='targets = ["xnli"]\nseeds = [] #!'), ("grid.seeds: is empty",)),
    "a pooling that does not exist": (
        suite(rest=SECOND + 'hub = "a/b"\nretrieval.pooling = "maen" #!\n'),
        ("must be 'mean', 'cls' or 'last', found 'maen'.", "Did you mean 'mean'?"),
    ),
    "a limit of zero": (
        suite(rest=PROFILE + "limit.train = 0 #!\n"),
        ("limit.train: must be greater than 0, found 0.",),
    ),
    # names that lead nowhere
    "an unknown target": (suite(grid='targets = ["xnli",\n  "xnil" #!\n]'), ("no task called 'xnil'", "'xnli'")),
    "an unknown intermediate": (suite(grid=ROWS + '["none", "mlni"] #!'), ("grid.intermediates", "'mlni'", "'mnli'")),
    "an unknown checkpoint": (
        suite(grid='targets = ["xnli"]\ncheckpoints = ["tyni"] #!'),
        ("no [[checkpoint]] called 'tyni'", "tiny"),
    ),
    "an unknown checkpoint in a profile that is not chosen": (
        suite(rest='[profile.micro]\n[profile.big]\ncheckpoints = ["large"] #!\n'),
        ("profile.big.checkpoints", "'large'"),
    ),
    "an unknown target in a profile": (suite(rest=PROFILE + 'targets = ["xqad"] #!\n'), ("'xqad'", "'xquad'")),
    "an unknown default profile": (
        suite(top='default_profile = "mikro" #!', rest=PROFILE),
        ("default_profile: there is no profile 'mikro'", "'micro'"),
    ),
    "an unknown scheme": (suite(top='scheme = "xtrem" #!'), ("scheme: 'xtrem' is neither", "'xtreme'")),
    "unknown baselines": (
        suite(top='baselines = ["xtreme", "xtrem"] #!'),
        ("baselines: 'xtrem' is neither", "'xtreme'"),
    ),
    "an unknown built-in checkpoint": (
        suite(rest=SECOND + 'builtin = "tinny" #!\n'),
        ("no built-in checkpoint called 'tinny'", "'tiny'"),
    ),
    "a task folder that is not there": (suite(top='tasks = ["more"] #!'), ("tasks: 'more' does not exist.",)),
    "a suite to extend that is not there": (
        suite(top='extends = "../x.toml" #!'),
        ("extends: '../x.toml' does not exist",),
    ),
    "a suite that extends a number": (
        suite(top="extends = 3 #!"),
        ("extends: must be the name of a shipped suite or the path of a TOML file, found 3.",),
    ),
    "a suite that extends itself": (
        suite(top='extends = "suite.toml" #!'),
        ("extend each other in a circle: suite.toml -> suite.toml.",),
    ),
    "a shipped suite whose name is misspelt": (
        suite(top='extends = "xtrme" #!'),
        ("no shipped suite called 'xtrme', and no such file beside suite.toml", "Did you mean 'xtreme'?"),
    ),
    "a shipped suite of a name like no other": (
        suite(top='extends = "zzz" #!'),
        ("no shipped suite called 'zzz'", "Allowed:", "studies/seeds", "xtreme-r"),
    ),
    "a shipped suite as if it were a file beside": (
        suite(top='extends = "xtreme.toml" #!'),
        ("'xtreme.toml' does not exist beside suite.toml.", 'by its name: extends = "xtreme".'),
    ),
    # stages
    "an intermediate of nothing": (
        suite(rest='[intermediate.two] #!\ntitle = "x"\n'),
        ("intermediate.two: give tasks (one stage) or stages (a chain of them); found neither",),
    ),
    "an intermediate of tasks and of stages": (
        suite(rest='[intermediate.two] #!\ntasks = ["mnli"]\nstages = ["qqp"]\n'),
        ("intermediate.two: give tasks (one stage) or stages (a chain of them); found both",),
    ),
    "a chain that ends in nothing": (
        suite(rest='[intermediate.two]\nstages = ["mnli", { tasks = [] }] #!\n'),
        ("intermediate.two.stages.1", "tasks"),
    ),
    "a stage that is no task": (
        suite(rest='[intermediate.two]\nstages = ["mnli",\n "qpq"] #!\n'),
        ("intermediate.two.stages.1: there is no task called 'qpq'", "'qqp'"),
    ),
    "a stage that is an intermediate": (
        suite(rest='[intermediate.one]\ntasks = ["qqp"]\n[intermediate.two]\nstages = ["one"] #!\n'),
        ("intermediate.two.stages.0: 'one' is no task",),
    ),
    "a setting of a stage beside stages": (
        suite(rest='[intermediate.two] #!\nstages = ["mnli"]\nfreeze = 2\n'),
        ("freeze is said of a stage: put it into a table in stages",),
    ),
    "a size of nothing": (suite(rest='[intermediate.two] #!\ntasks = ["mnli"]\nsize = 0\n'), ("size", "found 0")),
    "a size twice": (
        suite(grid=ROWS + '["two"]', rest='[intermediate.two]\ntasks = ["mnli"]\nsize = [10, 10] #!\n'),
        ("intermediate.two.size: names 10 2 times; once is enough.",),
    ),
    "a length of several tasks": (
        suite(
            grid=ROWS + '["two"]',
            rest='[intermediate.two]\ntasks = ["mnli", "qqp"]\nrecipe = { max_length = 16 } #!\n',
        ),
        ("recipe.max_length: each of several tasks is read at its own max_length", "[recipe.mnli]"),
    ),
    "a length of a row of several tasks": (
        suite(
            grid=ROWS + '["two"]',
            rest='[intermediate.two]\ntasks = ["mnli", "qqp"]\n[recipe.two]\nmax_length = 16 #!\n',
        ),
        ("recipe.two.max_length: each of several tasks is read at its own max_length", "[recipe.mnli]"),
    ),
    "a length of a row of several tasks in a profile": (
        suite(
            grid=ROWS + '["two"]',
            rest='[intermediate.two]\ntasks = ["mnli", "qqp"]\n[profile.micro.task.two]\ndoc_stride = 16 #!\n',
        ),
        ("profile.micro.task.two.doc_stride: each of several tasks is read at its own doc_stride",),
    ),
    "a target's head shared with another family": (
        suite(rest='[target.xnli]\ntasks = ["squad_v1"]\nshare_head = true #!\n'),
        ("target.xnli.share_head: 'squad_v1' is a question_answering task", "One head is for one adapter."),
    ),
    "a share above all": (
        suite(rest='[intermediate.two] #!\ntasks = ["mnli"]\nsize = [0.5, 1.5]\n'),
        ("a size is a whole number of examples, or a share from above 0.0 to 1.0; found 1.5",),
    ),
    "a weight of a task that is not in the stage": (
        suite(
            rest='[intermediate.two]\ntasks = ["mnli", "qqp"]\nsampling.weights.mnli = 1\nsampling.weights.qpq = 2 #!\n'
        ),
        ("intermediate.two.sampling.weights.qpq: 'qpq' is not trained in this stage.", "'qqp'"),
    ),
    "a task without a weight": (
        suite(rest='[intermediate.two]\ntasks = ["mnli", "qqp"]\nsampling = { weights = { mnli = 1 } } #!\n'),
        ("there is no weight for 'qqp'", "Give every task one."),
    ),
    "two ways of sampling": (
        suite(rest='[intermediate.two]\ntasks = ["mnli", "qqp"]\nsampling = { by = "uniform", temperature = 2 } #!\n'),
        ("give one of by, temperature, weights; found temperature and by",),
    ),
    "an unknown way of sampling": (
        suite(rest='[intermediate.two]\ntasks = ["mnli", "qqp"]\nsampling = "unifrom" #!\n'),
        ("intermediate.two.sampling", "'unifrom'", "uniform"),
    ),
    "a stage in a language that is none": (
        suite(rest='[intermediate.two]\ntasks = ["mnli"]\nlanguages = ["German"] #!\n'),
        ("'German' is no language code", "Did you mean 'de'?"),
    ),
    "matched languages of one": (
        suite(rest='[intermediate.two]\ntasks = ["xnli"]\nlanguages = ["de"]\namount = "matched" #!\n'),
        ("'matched' is of several languages",),
    ),
    "a head shared with nobody": (
        suite(rest='[intermediate.two]\ntasks = ["mnli"]\nshare_head = true #!\n'),
        ("there is one task only, and nobody to share a head with",),
    ),
    "an intermediate and a mixture of one name": (
        suite(rest=MIX.replace(".two]", ".two] #!") + '[intermediate.two]\ntasks = ["mnli"]\n'),
        ("there is an [intermediate.two] too; choose another name.",),
    ),
    "a row of a size that is not there": (
        suite(grid=ROWS + '["none", "two@30"] #!', rest='[intermediate.two]\ntasks = ["mnli"]\nsize = [10, 20]\n'),
        ("there is no task or intermediate called 'two@30'", "two@20"),
    ),
    "a target that is no task": (suite(rest="[target.xnly] #!\nsize = 10\n"), ("target.xnly", "'xnli'")),
    "a target of several sizes": (
        suite(rest="[target.xnli]\nsize = [10, 20] #!\n"),
        ("target.xnli.size: a target has one size",),
    ),
    "patience without enough evaluations": (
        suite(rest='[intermediate.two]\ntasks = ["mnli"]\nrecipe = { patience = 3, evaluations = 2 } #!\n'),
        ("patience = 3 needs more than 3 evaluations",),
    ),
    "low rank and a frozen encoder": (
        suite(rest='[intermediate.two]\ntasks = ["mnli"]\nrecipe = { lora = { rank = 2 }, freeze = "encoder" } #!\n'),
        ("lora leaves the encoder's own weights as they are; leave out freeze",),
    ),
    "a head shared by different families": (
        suite(
            grid=ROWS + '["two"]',
            rest='[intermediate.two]\ntasks = ["mnli", "squad_v1"]\nshare_head = true #!\n',
        ),
        ("'squad_v1' is a question_answering task, 'mnli' a classification task", "One head is for one adapter."),
    ),
    "a head shared by different labels": (
        suite(grid=ROWS + '["two"]', rest='[intermediate.two]\ntasks = ["mnli", "qqp"]\nshare_head = true #!\n'),
        ("share_head: 'mnli' has other labels than 'qqp'",),
    ),
    "a language that the data lack": (
        suite(grid=ROWS + '["two"]', rest='[intermediate.two]\ntasks = ["mnli"]\nlanguages = ["en", "de"] #!\n'),
        ("intermediate.two.languages: the train data of 'mnli' are the same for every language",),
    ),
    "a rank of nothing": (
        suite(rest='[intermediate.two]\ntasks = ["mnli"]\nlora = { rank = 0 } #!\n'),
        ("lora.rank", "greater than 0"),
    ),
    # mixtures
    "an unknown member of a mixture": (
        suite(rest='[mixture.two]\ntasks = ["mnli", "qpq"] #!\n'),
        ("mixture.two.tasks", "'qpq'", "'qqp'"),
    ),
    "a mixture of one": (
        suite(rest='[mixture.two]\ntasks = ["mnli"] #!\n'),
        ("mixture.two.tasks: must have at least 2 entries, found a list of 1.",),
    ),
    "a mixture in a mixture": (
        suite(rest=MIX + '[mixture.three]\ntasks = ["two", "mnli"] #!\n'),
        ("mixture.three.tasks: 'two' is no task",),
    ),
    "a mixture called none": (suite(rest=MIX.replace(".two]", ".none] #!")), ("mixture.none", "choose another name")),
    "a mixture with a task's name": (suite(rest=MIX.replace(".two]", ".mnli] #!")), ("a task called 'mnli' already",)),
    # twice
    "two checkpoints of one name": (
        suite(rest='[[checkpoint]]\nname = "tiny" #!\nhub = "a/b"\n'),
        ("checkpoint.1.name", "is called 'tiny' already"),
    ),
    "a target twice": (suite(grid='targets = ["xnli", "xnli"] #!'), ("grid.targets: names 'xnli' 2 times",)),
    "an intermediate twice": (suite(grid=ROWS + '["mnli", "mnli"] #!'), ("grid.intermediates: names 'mnli' 2 times",)),
    "a seed twice": (suite(grid='targets = ["xnli"]\nseeds = [1, 2, 1] #!'), ("grid.seeds: names 1 2 times",)),
    # checkpoints
    "a checkpoint from two places": (
        suite(rest='[[checkpoint]] #!\nname = "b"\nhub = "a/b"\npath = "c"\n'),
        ("checkpoint.1: give exactly one of hub, path, builtin, step, run; found hub, path.",),
    ),
    "a checkpoint from nowhere": (suite(rest='[[checkpoint]] #!\nname = "b"\n'), ("exactly one of", "found none")),
    "a checkpoint that is no hub id": (
        suite(rest='[[checkpoint]]\nname = "b"\nhub = "https://hub/a/b" #!\n'),
        ("checkpoint.1.hub: must match", "found 'https://hub/a/b'"),
    ),
    "a profile with a slash in its name": (suite(rest='[profile."a/b"] #!\n'), ("profile.a/b", "letters, digits")),
    "a checkpoint with a space in its name": (
        suite(rest='[[checkpoint]]\nname = "b c" #!\nhub = "a/b"\n'),
        ("checkpoint.1.name: must match", "found 'b c'"),
    ),
    # marks and expectations
    "a mark without a reason": (suite(rest='[[mark]] #!\ncells = "*"\nskip = true\n'), ("needs a reason",)),
    "a mark that marks nothing": (suite(rest='[[mark]] #!\ncells = "*"\n'), ("a mark needs one of skip, skipif",)),
    "a mark on cells that do not exist": (
        suite(rest='[[mark]]\ncells = "none->xnil" #!\nxfail = true\nreason = "r"\n'),
        ("mark.0.cells: the pattern 'none->xnil' matches no cell", "'none->xnli'"),
    ),
    "a condition that is none": (
        suite(rest='[[mark]]\ncells = "*"\nskipif = "no_gpus" #!\n'),
        ("mark.0.skipif: 'no_gpus' is not a condition.", "missing(PATH)"),
    ),
    "a condition that breaks off": (
        suite(rest='[[mark]]\ncells = "*"\nskipif = "no_gpu and" #!\n'),
        ("mark.0.skipif", "at column 11", "the end"),
    ),
    "a condition on a profile that does not exist": (
        suite(rest=PROFILE + '[[mark]]\ncells = "*"\nskipif = "profile(mikro)" #!\n'),
        ("no profile 'mikro'", "'micro'"),
    ),
    "an expectation without a bound": (suite(rest='[[expect]] #!\ncells = "*"\n'), ("needs at_least or at_most",)),
    "an expectation on cells that do not exist": (
        suite(rest='[[expect]]\ncells = "mnli->*" #!\nat_least = 1\n'),
        ("expect.0.cells: the pattern 'mnli->*' matches no cell",),
    ),
    "an expectation on a language that its target lacks": (
        suite(rest='[[expect]]\ncells = "*->xnli"\nlanguage = "jv" #!\nat_least = 1\n'),
        ("expect.0.language", "'jv'"),
    ),
    "an expectation over what does not exist": (
        suite(rest='[[expect]]\ncells = "*"\nover = "chanse" #!\nat_least = 1\n'),
        ("expect.0.over", "'chance'"),
    ),
    "a bound that is not a number": (
        suite(rest='[[expect]]\ncells = "*"\nat_least = nan #!\n'),
        ("expect.0.at_least: must be a finite number, found nan.",),
    ),
    "bounds that no score can keep": (
        suite(rest='[[expect]]\ncells = "*"\nat_least = 50 #!\nat_most = 49.5\n'),
        ("expect.0.at_least: must not be above at_most: no score is at least 50 and at most 49.5.",),
    ),
    "an include that matches nothing": (
        suite(grid='targets = ["xnli"]\ninclude = ["squad->*"] #!'),
        ("grid.include: the pattern 'squad->*' matches no cell.",),
    ),
    "an exclude that leaves nothing": (
        suite(grid='targets = ["xnli"]\nexclude = ["*"]').replace("[grid]", "[grid] #!"),
        ("leave no cell",),
    ),
    # recipes
    "a recipe for a task that does not exist": (suite(rest="[recipe.xnil] #!\nepochs = 1\n"), ("'xnil'", "'xnli'")),
    "a recipe for no task in a profile": (
        suite(rest=PROFILE + "[profile.micro.task.mnil] #!\nepochs = 1\n"),
        ("profile.micro.task.mnil", "'mnli'"),
    ),
    "an unknown recipe key": (suite(rest="[recipe.xnli]\nepoch = 1 #!\n"), ("recipe.xnli.epoch", "'epochs'")),
    "an unknown recipe key in a profile": (
        suite(rest=PROFILE + "recipe.learning_rat = 1e-5 #!\n"),
        ("profile.micro.recipe.learning_rat", "'learning_rate'"),
    ),
    "no epochs": (suite(rest="[recipe.xnli]\nepochs = 0 #!\n"), ("recipe.xnli.epochs: must be greater than 0",)),
    "epochs without end": (suite(rest="[recipe.xnli]\nepochs = inf #!\n"), ("epochs: must be a finite number",)),
    "a learning rate in quotes": (
        suite(rest='[recipe.mnli]\nlearning_rate = "1e-5" #!\n'),
        ("learning_rate: must be a number, found '1e-5'.",),
    ),
    "the best of no evaluations": (
        suite(rest='[recipe.xnli]\nselect = "best"\nevaluations = 0 #!\n'),
        ('select = "best" needs evaluations >= 1',),
    ),
    "a wrong recipe of a mixture": (
        suite(rest=MIX + "recipe = { batch_size = 0 } #!\n"),
        ("mixture.two.recipe.batch_size", "greater than 0"),
    ),
    # what only the adapters know
    "a retrieval task as an intermediate": (
        suite(grid=ROWS + '["none", "tatoeba"] #!', rest=PROFILE),
        ("grid.intermediates: 'tatoeba' is a retrieval task",),
    ),
    "a plug-in that is no Python": (
        suite(top='plugins = ["no.py"] #!'),
        ("'no.py'", "cannot be imported", "SyntaxError"),
    ),
    "a plug-in without an adapter": (suite(top='plugins = ["empty.py"] #!'), ("'empty.py'", "defines no adapter")),
    "a plug-in that is not there": (suite(top='plugins = ["mine.py"] #!'), ("plugins", "mine.py", "does not exist")),
}


@pytest.mark.parametrize("what", CASES)
def test_a_suite_is_refused_with_its_line_and_what_would_do(what: str, xharness: Run, tmp_path: Path) -> None:
    text, says = CASES[what]
    (tmp_path / "suite.toml").write_text(text, encoding="utf-8")
    (tmp_path / "no.py").write_text("class Adapter(:\n")
    (tmp_path / "empty.py").write_text("ADAPTER = None\n")
    told = xharness("run", "suite.toml")
    assert_well_said(told, 4, f"suite.toml:{marked(text)}: ", says)
    assert not (tmp_path / "store").exists()


UNREADABLE = {
    "bytes that are no text": (b'title = "\xff\xfe"\n', ("suite.toml:1", "is not UTF-8 text")),
    "another encoding": ('title = "a"\n# größer\n'.encode("latin-1"), ("suite.toml:2", "is not UTF-8 text")),
    "nothing": (b"", ("suite.toml:1", "title: is missing")),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", ("is not UTF-8 text",)),
    "a thousand brackets": (b"a = " + b"[" * 5000, ("suite.toml",)),
    "a number of ten thousand digits": (b"title = 1" + b"0" * 10_000, ("suite.toml",)),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_is_no_suite_is_refused(what: str, xharness: Run, tmp_path: Path) -> None:
    content, says = UNREADABLE[what]
    (tmp_path / "suite.toml").write_bytes(content)
    assert_well_said(xharness("run", "suite.toml"), 4, "suite.toml", says)
    assert_nothing_stored(tmp_path)


INHERITED = """
extends = "base.toml"
[grid]
targets = ["pawsx"]
"""
BASE = suite(
    rest='[[mark]]\ncells = "*->xnli"\nname = "slow"\n[[expect]]\ncells = "*->xnli"\nat_least = 3\n'
    '[recipe.xnli]\nepochs = 1\n[profile.micro]\n'
)  # fmt: skip
# what the extending suite adds -> (file that is to be named, what is said)
EXTENDED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a mark of its own that matches nothing": (
        INHERITED + '[[mark]]\ncells = "*->xnli" #!\nname = "mine"\n',
        "suite.toml",
        ("mark.1.cells", "'*->xnli'"),
    ),
    "a wrong key in an expectation of its own": (
        INHERITED + '[[expect]]\ncells = "*"\nat_most = "9" #!\n',
        "suite.toml",
        ("expect.1.at_most",),
    ),
    "a checkpoint of its own without an origin": (
        INHERITED + '[[checkpoint]] #!\nname = "b"\n',
        "suite.toml",
        ("checkpoint.1: give exactly one",),
    ),
    "two checkpoints of its own with one name": (
        INHERITED + '[[checkpoint]]\nname = "b"\nhub = "a/b"\n[[checkpoint]]\nname = "b" #!\nhub = "a/c"\n',
        "suite.toml",
        ("checkpoint.2.name",),
    ),
    "a recipe of its own that contradicts the task's": (
        INHERITED + '[recipe.pawsx]\nselect = "best"\nevaluations = 0 #!\n',
        "suite.toml",
        ("evaluations >= 1",),
    ),
}


@pytest.mark.parametrize("what", EXTENDED)
def test_the_line_is_that_of_the_extending_suite(what: str, xharness: Run, tmp_path: Path) -> None:
    text, file, says = EXTENDED[what]
    (tmp_path / "base.toml").write_text(BASE, encoding="utf-8")
    (tmp_path / "suite.toml").write_text(text, encoding="utf-8")
    assert_well_said(xharness("run", "suite.toml"), 4, f"{file}:{marked(text)}: ", says)


def test_the_line_is_that_of_the_extended_suite_where_that_is_wrong(xharness: Run, tmp_path: Path) -> None:
    base = BASE.replace("epochs = 1", "epochs = 0 #!")
    (tmp_path / "base.toml").write_text(base, encoding="utf-8")
    (tmp_path / "suite.toml").write_text(INHERITED, encoding="utf-8")
    assert_well_said(xharness("list", "suite.toml"), 4, f"base.toml:{marked(base)}: ", ("recipe.xnli.epochs",))


def test_what_is_inherited_may_match_nothing(xharness: Run, tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE, encoding="utf-8")
    (tmp_path / "suite.toml").write_text(INHERITED, encoding="utf-8")
    assert xharness("list", "suite.toml").code == 0


def test_all_problems_are_told_at_once(xharness: Run, tmp_path: Path) -> None:
    text = suite(top='titel = "x"', grid='targets = ["xnli"]\nseed = 1', rest='[[mark]]\ncells = "*"\n')
    (tmp_path / "suite.toml").write_text(text, encoding="utf-8")
    assert len(xharness("list", "suite.toml").problems) == 3


TASK = """name = "mine"
title = "mine"
adapter = "classification"
metric = "accuracy"
licens = "?"
labels = ["a", "b"]
label_map = { x = "c" }
[recipe]
epochs = 0
"""


def test_problems_of_every_kind_are_told_at_once_and_each_once(xharness: Run, tmp_path: Path) -> None:
    text = suite(
        top='titel = "x"\ndefault_profile = "mikro"',
        grid='targets = ["xnil", "xnli", "mine"]\nseed = 1',
        rest='[[expect]]\ncells = "*"\nat_least = 3\nat_most = 2\n[recipe.xnli]\nepoch = 1\n'
        '[[mark]]\ncells = 3\n[mixture.two]\ntasks = ["mnli", "qpq"]\n[profile.micro]\nlimit.trian = 1\n',
    )
    (tmp_path / "suite.toml").write_text(text, encoding="utf-8")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.toml").write_text(TASK, encoding="utf-8")
    wanted = (
        "titel", "'mikro'", "'xnil'", "grid.seed", "expect.0.at_least", "recipe.xnli.epoch", "mark.0.cells", "'qpq'",
        "limit.trian", "licens", "label_map.x", "mine.toml:9: recipe.epochs",
    )  # fmt: skip
    for command in (("list",), ("check", "--files-only"), ("run",)):
        problems = xharness(*command, "suite.toml").problems
        assert [sum(word in p for p in problems) for word in wanted] == [1] * len(wanted), problems
        assert len(problems) == len(wanted)


def test_what_only_the_parts_together_show_is_told_at_once(xharness: Run, tmp_path: Path) -> None:
    text = suite(
        top='scheme = "xtrem"\nplugins = ["gone.py"]\nbaselines = ["nobody"]',
        grid='targets = ["xnli", "mine"]\nintermediates = ["none", "tatoeba"]\nexclude = ["*->nothing"]',
    )
    (tmp_path / "suite.toml").write_text(text, encoding="utf-8")
    (tmp_path / "tasks").mkdir()
    task = TASK.replace("licens", "licence").replace("epochs = 0", "").replace('x = "c"', "").replace("cura", "cru")
    (tmp_path / "tasks" / "mine.toml").write_text(task, encoding="utf-8")
    wanted = (
        "'xtrem'",
        "'gone.py'",
        "'nobody'",
        "'accrucy'",
        "'tatoeba' is a retrieval",
        "'*->nothing'",
        "no test data",
    )
    for command in (("run",), ("check", "--files-only")):
        problems = xharness(*command, "suite.toml").problems
        assert [sum(word in p for p in problems) for word in wanted] == [1] * len(wanted), problems


# A mistake from which others would only follow is told alone.
ALONE = {
    "tasks of the wrong type": ('tasks = "more"', "of_more"),
    "a folder of tasks that is not there": ('tasks = ["more"]', "of_more"),
    "a profile of the wrong type": ('profile = 3\ndefault_profile = "micro"', "xnli"),
    "checkpoints of the wrong type": ('checkpoint = "tiny"', "xnli"),
}


@pytest.mark.parametrize("what", ALONE)
def test_what_would_only_follow_from_a_mistake_is_not_told(what: str, xharness: Run, tmp_path: Path) -> None:
    top, target = ALONE[what]
    checkpoint = '[[checkpoint]]\nname = "tiny"\nbuiltin = "tiny"\n' if "checkpoint" not in top else ""
    grid = f'[grid]\ntargets = ["{target}"]\ncheckpoints = ["tiny"]\n'
    mark = f'[[mark]]\ncells = "none->{target}[tiny-0]"\nname = "mine"\n'
    (tmp_path / "suite.toml").write_text(f'title = "a"\n{top}\n{checkpoint}{grid}{mark}', encoding="utf-8")
    for command in (("list",), ("check", "--files-only")):
        told = xharness(*command, "suite.toml")
        assert told.code == 4
        assert len(told.problems) == 1, told.err


def test_a_traceback_is_shown_on_demand(xharness: Run, tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(suite(title="title = 3"), encoding="utf-8")
    assert "Traceback" in xharness("--debug", "list", "suite.toml").err
