"""How a run is shown while it goes on: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from xharness.errors import counted
from xharness.plan.cost import duration
from xharness.plan.plan import Plan


class Display:
    """Listens to events and shows them."""

    def __init__(self, console: Console, plan: Plan, verbosity: int = 0) -> None:
        self.console, self.plan, self.verbosity = console, plan, verbosity
        self.live: Live | None = None
        self.overall = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
        )
        self.under_way = Progress(
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[progress]}", markup=False),
            console=console,
        )
        self.total: TaskID | None = None
        self.rows: dict[str, TaskID] = {}
        self.labels: dict[str, str] = {}
        self.began: dict[str, float] = {}
        self.finished = self.count = 0

    def __enter__(self) -> Display:
        if self.console.is_terminal and self.verbosity >= 0:
            self.live = Live(self._render(), console=self.console, refresh_per_second=4, transient=True)
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def _render(self) -> RenderableType:
        return Group(self.overall, self.under_way)

    def _say(self, text: str, style: str = "") -> None:
        if self.verbosity >= 0 or style == "red":
            self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event."""
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler:
            handler(event)

    def _on_begin(self, event: dict[str, Any]) -> None:
        self.count = len(event["pending"])
        self.total = self.overall.add_task("running", total=self.count)
        if event["reused"]:
            self._say(f"reused {len(event['reused'])} stored steps")
            if self.verbosity > 0:
                for key in event["reused"]:
                    self._say(f"  reused {self.plan.steps[key].work.label}  ({key})")

    def _on_start(self, event: dict[str, Any]) -> None:
        key = event["key"]
        self.began[key], self.labels[key] = time.monotonic(), event["label"]
        self.rows[key] = self.under_way.add_task(event["label"], total=None, progress="starting")

    def _on_queued(self, event: dict[str, Any]) -> None:
        if (row := self.rows.get(event["key"])) is not None:
            self.under_way.update(row, progress="waiting for a place")

    def _on_began(self, event: dict[str, Any]) -> None:
        self.began[event["key"]] = time.monotonic()
        if (row := self.rows.get(event["key"])) is not None:
            self.under_way.update(row, progress=f"starting on {event['where']}")

    def _on_progress(self, event: dict[str, Any]) -> None:
        row = self.rows.get(event["key"])
        if row is None:
            return
        done, total, unit = event.get("done", 0), event.get("total"), event.get("unit", "")
        speed = f", {event['tokens_per_second']:,.0f} tokens/s" if event.get("tokens_per_second") else ""
        # A step that has nothing else to tell notes its own label, which begins the line.
        repeated = event.get("note") == self.labels[event["key"]]
        note = f", {event['note']}" if event.get("note") and not repeated else ""
        much = f"{done:,}" if total is None else f"{done}/{total}"
        self.under_way.update(row, completed=done, total=total, progress=f"{much} {unit}{speed}{note}")

    def _on_waiting(self, event: dict[str, Any]) -> None:
        row = self.rows.get(event["key"])
        if row is not None:
            self.under_way.update(row, progress="another run is making it: waiting")
        self._say(f"waiting for another run that makes {self.plan.steps[event['key']].work.label}", "yellow")

    def _close(self, key: str) -> float:
        row = self.rows.pop(key, None)
        if row is not None:
            self.under_way.remove_task(row)
        return time.monotonic() - self.began.get(key, time.monotonic())

    def _advance(self, n: int = 1) -> None:
        self.finished += n
        if self.total is not None:
            self.overall.advance(self.total, n)

    def _on_done(self, event: dict[str, Any]) -> None:
        key = event["key"]
        seconds = self._close(key)
        self._advance()
        word = "found" if event["found"] else "done"
        tokens = event["summary"].get("tokens")
        extra = f", {tokens / event['seconds']:,.0f} tokens/s" if tokens and event["seconds"] else ""
        resumed = event["summary"].get("resumed_at")
        extra += f", resumed from training step {resumed}" if resumed else ""
        left_out = event["summary"].get("left_out")
        extra += f", {left_out:,} bad row{'s' * (left_out > 1)} left out" if left_out else ""
        self._say(
            f"[{self.finished}/{self.count}] {word}: {self.plan.steps[key].work.label}  ({duration(seconds)}{extra})"
        )

    def _on_failed(self, event: dict[str, Any]) -> None:
        self._close(event["key"])
        self._advance()
        self._say(
            f"[{self.finished}/{self.count}] FAILED: {self.plan.steps[event['key']].work.label}: {event['message']}",
            "red",
        )

    def _on_not_run(self, event: dict[str, Any]) -> None:
        self._advance()
        label = self.plan.steps[event["needs"]].work.label
        self._say(
            f"[{self.finished}/{self.count}] not run: {self.plan.steps[event['key']].work.label}: needs {label}",
            "yellow",
        )

    def _on_worker_lost(self, event: dict[str, Any]) -> None:
        label = self.plan.steps[event["key"]].work.label if event["key"] else "nothing"
        if event["key"]:
            self._close(event["key"])
        then = "; trying it again" if event["again"] else ""
        self._say(f"worker {event['worker']} {event['message']} while it made {label}{then}", "red")

    def _on_untracked(self, event: dict[str, Any]) -> None:
        print(f"warning: {event['message']}", file=sys.stderr)

    _on_unreached = _on_untracked

    def _on_fetching(self, event: dict[str, Any]) -> None:
        if event["keys"] and self.verbosity > 0:
            self._say(f"asking the remote store for what is absent: {len(event['keys'])}")

    def _on_fetched(self, event: dict[str, Any]) -> None:
        self._say(f"fetched {counted(len(event['keys']), 'step')} from {event['from']}")
        if self.verbosity > 0:
            for key in event["keys"]:
                self._say(f"  fetched {self.plan.steps[key].work.label}  ({key})")

    def _on_remake(self, event: dict[str, Any]) -> None:
        self._close(event["key"])
        if self.total is not None:
            self.count += len(event["lost"])
            self.overall.update(self.total, total=self.count)
        self._say(f"remaking what was damaged: {event['message']}", "yellow")
