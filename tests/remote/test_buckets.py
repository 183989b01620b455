"""A bucket as the place where labs meet: the same promises as a shared folder's, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

from xharness.remote.place import place_at
from xharness.remote.steps import Put, fetch, put
from xharness.store.parts import Taken
from xharness.store.steps import MANIFEST, Store

from .conftest import Lab, board, counts, kinds, scores, step_of
from .s3 import S3


def test_two_labs_meet_in_a_bucket(lab: Lab, s3: S3) -> None:
    one, other = lab("one"), lab("other")
    first = one.run("--remote", s3.url, **s3.env)
    assert first.returncode == 0, first.stdout + first.stderr
    assert not first.stderr
    second = other.run("--remote", s3.url, **s3.env)
    assert second.returncode == 0, second.stdout + second.stderr
    assert counts(other) == (0, 6, 6)
    assert board(second.stdout) == board(first.stdout)
    assert scores(other) == scores(one)
    assert kinds(other) == {"evaluate": 4, "mine": 2}


def test_a_manifest_is_put_last_and_never_over_another(tmp_path: Path, s3: S3) -> None:
    stores = [step_of(tmp_path / name, text) for name, text in (("one", b"first"), ("two", b"second"))]
    place = place_at(s3.url)
    assert put(place, *stores[0]) is Put.NEW
    assert put(place, *stores[0]) is Put.THERE
    assert put(place, *stores[1]) is Put.OTHER
    name = f"cache/steps/{stores[0][1]}/{MANIFEST}"
    before = s3.body(name)
    # Not even by one that looked before the other was there.
    assert place.put(f"steps/{stores[0][1]}/{MANIFEST}", b"{}", new=True) is False
    assert s3.body(name) == before
    assert json.loads(before)["key"] == stores[0][1]


def test_a_large_file_goes_in_parts_and_comes_back(tmp_path: Path, s3: S3) -> None:
    large = bytes(range(256)) * (13 << 12)  # 13 MiB: three parts.
    store, key = step_of(tmp_path / "one", b"{}", **{"weights.bin": large})
    place = place_at(s3.url)
    assert put(place, store, key) is Put.NEW
    other = Store(tmp_path / "two").prepare()
    assert fetch(place, other, key) is Taken.NEW
    assert (other.path(key) / "weights.bin").read_bytes() == large
    (weights,) = [name for name in s3.names() if name.endswith("weights.bin")]
    assert s3.client.head_object(Bucket="labs", Key=weights)["ETag"].strip('"').endswith("-3")
