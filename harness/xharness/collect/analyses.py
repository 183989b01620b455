"""Checks of a suite's analyses: that there is one of the kind, and that its options are of its types."""

from __future__ import annotations

from collections.abc import Iterator

from xharness.analysis import AsksEmbeddings, NamesRows, Texts, known_analyses, load_analysis
from xharness.collect.patterns import is_own, names_of
from xharness.errors import Problem, UsageError, nearest
from xharness.spec.load import Loaded
from xharness.spec.parse import validate


def analysis_problems(loaded: Loaded) -> Iterator[Problem]:
    """What is wrong with them, at its line."""
    document, seen = loaded.document, set()
    for number, asked in enumerate(loaded.suite.analysis):
        path = ("analysis", number)
        if asked.name in seen:
            yield document.problem((*path, "name"), f"two analyses are called '{asked.name}'.", value=asked.name)
        seen.add(asked.name)
        if asked.kind not in known_analyses():
            # It may be the analysis of a plug-in that could not be loaded.
            if not loaded.told(document, "plugins"):
                what = f"there is no analysis of the kind '{asked.kind}'."
                yield document.problem((*path, "kind"), what, nearest(asked.kind, known_analyses()), asked.kind)
            continue
        analysis = load_analysis(asked.kind)
        options = analysis.options
        places = dict.fromkeys(asked.options, (document, (*path, "options")))
        try:
            made = validate(options, asked.options, document, ("options",), places)
        except UsageError as error:
            yield from error.problems
            continue
        known = {"targets": loaded.targets, "intermediates": loaded.intermediates}
        for key, names in known.items():
            for name in getattr(made, key, None) or ():
                if name not in names:
                    what = f"'{name}' is none of the {key} of this profile."
                    yield document.problem((*path, "options", key), what, nearest(name, names), name)
        # What a suite inherits was written for a larger grid.
        if isinstance(analysis, NamesRows) and not loaded.problems and is_own(loaded, path):
            for place, name, there in analysis.unknown(made, *names_of(loaded)):
                what = f"no profile of the suite has '{name}'."
                yield document.problem((*path, "options", *place), what, nearest(name, there), name)


def texts_asked(loaded: Loaded) -> tuple[Texts, ...]:
    """The texts whose embeddings the suite's analyses ask for, each once."""
    found: dict[Texts, None] = {}
    for asked in loaded.suite.analysis:
        analysis = load_analysis(asked.kind)
        if isinstance(analysis, AsksEmbeddings):
            found |= dict.fromkeys(analysis.texts(loaded, analysis.options(**asked.options)))
    return tuple(found)
