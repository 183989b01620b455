"""Labelled, parallel, miniature data in real languages, made from sampled facts.

A row's label is true and its translations are parallel by construction, so a whole benchmark runs in minutes and
without a network. `world` holds the facts, `languages/*.toml` the words, `render` makes sentences of them, and
`pairs`, `passages` and `sequences` make rows. `encoder/` is a tiny encoder pretrained on this text by `pretrain`.
"""

from xharness.micro.datasets import DATASETS, LANGUAGES, VERSION, Dataset, corpus, parallel, rows

__all__ = ["DATASETS", "LANGUAGES", "VERSION", "Dataset", "corpus", "parallel", "rows"]
