"""A data set repository of the Hub at one commit: its files, and what its card says of them.

The card of a large collection takes as long to parse as a hundred of its data sets to read, so it is read once: what
was found stands in the Hub's own cache folder (`assets/xharness`), by commit, and is right for ever. That also answers
where the Hub is out of reach.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xharness.errors import DataError, Problem, nearest

if TYPE_CHECKING:
    import pyarrow

Table = Mapping[str, Any]
CARD = "README.md"
HARMLESS = {"config_name", "data_files", "default", "version", "description"}
"""Keys of a config that change nothing in how its files are read, once these are known."""
OVERRIDING = {".huggingface.yaml", "dataset_infos.json"}
"""Files beside the card that say the same things in other ways."""
FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}


@dataclass(frozen=True)
class Repository:
    """What is where, at one commit."""

    name: str
    commit: str
    files: tuple[str, ...]
    configs: tuple[Table, ...] = ()
    """`configs` of the card: {config_name, data_files: [{split, path}]}."""
    infos: tuple[Table, ...] = ()
    """`dataset_info` of the card: {config_name, features, splits: [{name, num_examples}]}."""
    whole: bool = True
    """False: the files are those that the local cache has; there may be more."""

    @property
    def plain(self) -> bool:
        """Whether its card alone says which files a split has."""
        script = f"{self.name.rpartition('/')[2]}.py"
        return bool(self.configs) and not OVERRIDING.union([script]).intersection(self.files)

    def config(self, name: str | None) -> Table:
        """The config of a name, or the default one; DataError with the names there are."""
        names = [str(c["config_name"]) for c in self.configs]
        for config in self.configs:
            chosen = len(names) == 1 or config["config_name"] == "default" or config.get("default")
            if config["config_name"] == name if name else chosen:
                return config
        what = f"has no config '{name}'." if name else "has several configs and no default one; name one with `config`."
        raise DataError(Problem(self.name, what, nearest(name or "", names)))

    def parquet_files(self, config: Table, split: str) -> list[str] | None:
        """The files of a split, in order; None where they are not parquet alone, or are not told by plain patterns.

        DataError with the splits there are.
        """
        patterns = _patterns(config.get("data_files"))
        if patterns is None or not HARMLESS.issuperset(config):
            return None
        if split not in patterns:
            if split == "all" or not re.fullmatch(r"[\w.]+", split):
                return None  # A part of a split or a sum of several.
            what = f"has no split '{split}'; it has {', '.join(patterns)}."
            raise DataError(Problem(f"{self.name} ({config['config_name']})", what))
        found: list[str] = []
        for pattern in patterns[split]:
            matched = _matching(pattern, self.files)
            whole = self.whole or matched == [pattern] or _complete(matched)
            if not matched or not whole or not all(map(_visible_parquet, matched)):
                return None
            found += matched
        return found

    def info(self, config: Table) -> Table:
        """What the card says of a config's columns and sizes; empty where it says nothing."""
        return next((i for i in self.infos if i.get("config_name", "default") == config["config_name"]), {})


def _patterns(given: Any) -> dict[str, list[str]] | None:
    """Split -> patterns of its files, in the forms that a card may have them."""
    if isinstance(given, str):
        return {"train": [given]}
    if not isinstance(given, list) or not given:
        return None
    if all(isinstance(entry, str) for entry in given):
        return {"train": given}
    found: dict[str, list[str]] = {}
    for entry in given:
        if not isinstance(entry, dict) or entry.keys() != {"split", "path"} or not isinstance(entry["split"], str):
            return None
        paths = entry["path"] if isinstance(entry["path"], list) else [entry["path"]]
        if entry["split"] in found or not all(isinstance(path, str) for path in paths):
            return None
        found[entry["split"]] = paths
    return found


def _matching(pattern: str, files: Sequence[str]) -> list[str]:
    """The files that a pattern names, sorted as fsspec's glob sorts them; none for a pattern that leaves the folder."""
    from fsspec.utils import glob_translate

    if pattern.startswith(("/", ".")) or any(part in pattern for part in ("::", "://", "//", "..", "@")):
        return []
    if not any(c in pattern for c in "*?["):
        return [pattern] if pattern in files else []
    try:
        fits = re.compile(glob_translate(pattern))
    except ValueError:
        return []
    return sorted(name for name in files if fits.match(name))


def _visible_parquet(name: str) -> bool:
    return name.endswith(".parquet") and not any(part.startswith((".", "__")) for part in name.split("/"))


def _complete(names: Sequence[str]) -> bool:
    """Whether the names themselves say that none is missing: `-00000-of-00002`, `-00001-of-00002`."""
    numbers = [re.search(r"-(\d{5})-of-(\d{5})", name) for name in names]
    return all(m is not None and int(m[2]) == len(names) for m in numbers)


def same_types(schema: pyarrow.Schema, features: Any) -> bool:
    """Whether a parquet file's columns are just those of the card's `features`, so that nothing is to be cast.

    Without features the file's own hold, if they are plain.
    """
    if features is None:
        return b"huggingface" not in (schema.metadata or {}) and all(map(_plain, schema.types))
    if not isinstance(features, list) or [f.get("name") for f in features] != schema.names:
        return False
    return all(_is(t, f) for t, f in zip(schema.types, features, strict=True))


def _plain(held: pyarrow.DataType) -> bool:
    from pyarrow import types

    if types.is_list(held):
        return _plain(held.value_type)
    if types.is_struct(held):
        return all(_plain(field.type) for field in held)
    return bool(types.is_boolean(held) or types.is_integer(held) or types.is_floating(held) or types.is_string(held))


def _is(held: pyarrow.DataType, feature: Any) -> bool:
    """Whether an Arrow type is that of a feature as cards write it."""
    from pyarrow import types

    feature = {"dtype": feature} if isinstance(feature, str) else {"struct": feature} if _named(feature) else feature
    kinds = [key for key in feature if key != "name"] if isinstance(feature, dict) else []
    if len(kinds) != 1 or not _plain(held):
        return False
    kind, inner = kinds[0], feature[kinds[0]]
    if kind == "dtype" and isinstance(inner, str):
        return FLOATS.get(str(held), str(held)) == inner
    if kind == "dtype":
        return _is(held, inner)
    if kind == "class_label":
        return str(held) == "int64"
    if kind == "struct" or (kind == "sequence" and _named(inner)):
        if not _named(inner) or not types.is_struct(held) or [f.name for f in held] != [f["name"] for f in inner]:
            return False
        # A sequence of named columns is one list a column.
        return all(
            _is(f.type, i if kind == "struct" else {"list": _nameless(i)}) for f, i in zip(held, inner, strict=True)
        )
    return kind in ("sequence", "list") and types.is_list(held) and _is(held.value_type, inner)


def _named(feature: Any) -> bool:
    return isinstance(feature, list) and all(isinstance(part, dict) and "name" in part for part in feature)


def _nameless(feature: Table) -> dict[str, Any]:
    return {key: value for key, value in feature.items() if key != "name"}


@lru_cache(maxsize=64)
def repository_at(name: str, commit: str) -> Repository:
    """A repository at a commit, as the Hub or an earlier answer of it says; OSError or the Hub's error without one.

    Remembered by commit, which never changes.
    """
    place = memory("dataset", name, commit, "repository-1.json")
    with suppress(OSError, ValueError, TypeError, KeyError):
        if place is not None:
            held = json.loads(place.read_text(encoding="utf-8"))
            return Repository(name, commit, tuple(held["files"]), tuple(held["configs"]), tuple(held["infos"]))
    try:
        found = _asked(name, commit)
    except Exception:  # What a dead network raises depends on the HTTP library underneath.
        return _cached(name, commit)
    remember(place, json.dumps(asdict(found), default=str))
    return found


def _asked(name: str, commit: str) -> Repository:
    from huggingface_hub import HfApi

    siblings = HfApi().dataset_info(name, revision=commit, timeout=20).siblings or []
    files = tuple(s.rfilename for s in siblings)
    configs, infos = _card(download(name, CARD, commit)) if CARD in files else ((), ())
    return Repository(name, commit, files, configs, infos)


def _cached(name: str, commit: str) -> Repository:
    """What the local cache has of it, as `hf download` leaves it."""
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(name, repo_type="dataset", revision=commit, local_files_only=True))
    files = tuple(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()))
    configs, infos = _card(folder / CARD) if CARD in files else ((), ())
    return Repository(name, commit, files, configs, infos, whole=False)


def _card(path: Path) -> tuple[tuple[Table, ...], tuple[Table, ...]]:
    """`configs` and `dataset_info` of a card; both empty where it is not as it should be, which `datasets` tells."""
    import yaml
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    # The loader in C is five times faster, and may be missing.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    block = REGEX_YAML_BLOCK.search(path.read_text(encoding="utf-8"))
    try:
        card = yaml.load(block[2], Loader=loader) if block else {}
        configs, infos = _tables(card.get("configs")), _tables(card.get("dataset_info"))
    except (yaml.YAMLError, AttributeError, TypeError):
        return (), ()
    return (configs if all(isinstance(c.get("config_name"), str) for c in configs) else ()), infos


def _tables(given: Any) -> tuple[Table, ...]:
    listed = [given] if isinstance(given, dict) else given or []
    if not all(isinstance(table, dict) for table in listed):
        raise TypeError
    return tuple(listed)


def download(name: str, file: str, commit: str, kind: str = "dataset") -> Path:
    """A file of a repository in the local cache, fetched if it is not there; errors are huggingface_hub's."""
    from huggingface_hub import hf_hub_download

    with _quiet():
        return Path(hf_hub_download(name, file, repo_type=kind, revision=commit))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars, unless the user's environment says something of them."""
    from huggingface_hub import constants
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if constants.HF_HUB_DISABLE_PROGRESS_BARS is not None or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def memory(kind: str, name: str, folder: str, file: str) -> Path | None:
    """Where something about a repository is remembered; None where the cache cannot be written."""
    from huggingface_hub import cached_assets_path

    try:
        return cached_assets_path("xharness", f"{kind}s--{name}", folder) / file
    except (OSError, ValueError):
        return None


def remember(place: Path | None, text: str) -> None:
    """Write it whole or not at all; a cache that cannot be written costs time, no more."""
    if place is None:
        return
    with suppress(OSError):
        with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False, encoding="utf-8") as stream:
            stream.write(text)
        os.replace(stream.name, place)
