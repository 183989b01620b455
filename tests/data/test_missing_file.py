"""A file that is not there: what is named in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from xharness.data.readers import read
from xharness.errors import DataError
from xharness.spec.task import Source


@pytest.mark.parametrize("end", [".gz", ".bz2", ".xz"])
def test_the_file_itself_compressed_is_named_before_one_of_another_language(tmp_path: Path, end: str) -> None:
    for name in ("test.he.tsv", f"test.de.tsv{end}"):
        (tmp_path / name).write_text("")
    with pytest.raises(DataError, match=rf"does not exist. Did you mean 'test\.de\.tsv\{end}'\?"):
        list(read(tmp_path / "test.de.tsv", Source(file="test.de.tsv")))
