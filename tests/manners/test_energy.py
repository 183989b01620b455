"""Energy of a run: counters that wrap, vanish, or are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from xharness.session import energy
from xharness.session.energy import Energy, counters_here


def test_a_counter_that_begins_anew_is_counted_on() -> None:
    readings = iter([(90.0, 100.0), (95.0, 100.0), (5.0, 100.0), (25.0, 100.0), (25.0, 100.0)])
    meter = Energy({"package-0": lambda: next(readings)})
    for _ in range(3):
        meter.sample(now=True)
    assert meter.facts() == {"package-0": 35.0}


def test_one_that_cannot_be_read_any_more_is_left_out() -> None:
    readings = iter([(1.0, 0.0)])

    def gone() -> tuple[float, float]:
        try:
            return next(readings)
        except StopIteration:
            raise OSError("gone") from None

    meter = Energy({"a": gone, "b": lambda: (2.0, 0.0)})
    meter.sample(now=True)
    assert meter.facts() == {"b": 0.0}


def test_packages_are_read_and_their_parts_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, joules in (("intel-rapl:0", 7), ("intel-rapl:0:0", 3), ("intel-rapl:1", 5)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(f"package-{name[-1]}\n")
        (folder / "energy_uj").write_text(f"{joules}000000\n")
        (folder / "max_energy_range_uj").write_text("262143000000\n")
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    monkeypatch.setattr(energy, "_gpus", dict)
    meter = Energy()
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("9000000")
    assert meter.facts() == {"processor package-0": 0.0, "processor package-1": 4.0}


def test_a_machine_that_tells_nothing_has_no_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "nothing")
    monkeypatch.setattr(energy, "_gpus", dict)
    assert counters_here() == {}
    assert Energy().facts() == {}
