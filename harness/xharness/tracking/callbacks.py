"""One tracked run, told through the callback that transformers' Trainer has for the tracker.

Their settings are environment variables, so a process tracks one run at a time. What the user has set stays; where it
is unset, the project or experiment is `xharness`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from transformers import TrainerControl, TrainerState, integrations

Trainers: Any = integrations
"""Where transformers keeps the callbacks of its Trainer."""
GIVEN = dict(os.environ)
PROJECT = "xharness"


class Tracked:
    """A tracked run from its beginning to its end."""

    def __init__(self, tracker: str, about: Mapping[str, Any]) -> None:
        """`about` is the order that begins it (`described`)."""
        self.tracker = tracker
        self.settings = {**about["settings"], "group": about["group"], "kind": about["kind"]}
        everything = {**self.settings, "tags": about["tags"], "lineage": about["lineage"]}
        # What the callbacks read of TrainingArguments. MLflow has a place of its own for what is long or changes.
        shown = self.settings if tracker == "mlflow" else everything
        self.args = SimpleNamespace(
            run_name=_unique(about) if tracker == "trackio" else about["name"],
            output_dir=".",
            to_dict=lambda: dict(shown),
            to_json_string=lambda: json.dumps(shown, indent=2, ensure_ascii=False),
            project=GIVEN.get("TRACKIO_PROJECT", PROJECT),
            trackio_space_id=GIVEN.get("TRACKIO_SPACE_ID"),
            trackio_bucket_id=GIVEN.get("TRACKIO_BUCKET_ID"),
            trackio_static_space_id=False,
            hub_private_repo=None,
        )
        self.state, self.control = TrainerState(), TrainerControl()
        self.state.global_step, self.state.logging_steps = about["resumed_at"], 1
        self.callback = CALLBACKS[tracker](about)
        self.callback.on_train_begin(self.args, self.state, self.control, model=None)
        if tracker == "mlflow":
            mlflow = import_module("mlflow")
            mlflow.flush_async_logging()
            # Of what fails behind its back MLflow tells nobody, and here nobody waits for it.
            self.callback._async_log = False
            mlflow.log_dict(about["lineage"], "lineage.json")
            if about["kind"] == "run":
                _gather(about["group"])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Tell values of one step."""
        self.state.global_step = step
        every = list(values.items())
        # MLflow takes a thousand at once.
        for first in range(0, len(every), 500):
            self.callback.on_log(self.args, self.state, self.control, logs=dict(every[first : first + 500]))

    def end(self, status: str) -> None:
        """End it as `finished`, `failed` or `stopped`; what was told is written when this returns."""
        if self.tracker == "mlflow" and status != "finished":
            import_module("mlflow").end_run({"failed": "FAILED", "stopped": "KILLED"}[status])
        self.callback.on_train_end(self.args, self.state, self.control, model=None)
        if self.tracker == "wandb":
            import_module("wandb").finish(exit_code=0 if status == "finished" else 1)


def _unique(about: Mapping[str, Any]) -> str:
    """A name that no other tracked run has: of trainings of one step, as after another start in an empty store."""
    return str(about["name"]) if about["name"] == about["id"] else f"{about['name']} {about['id'][-8:]}"


def _wandb(about: Mapping[str, Any]) -> Any:
    # It reads its environment once, so the callback finds the run begun.
    import_module("wandb").init(
        project=GIVEN.get("WANDB_PROJECT", PROJECT),
        id=about["id"],
        name=about["name"],
        resume="allow",
        group=GIVEN.get("WANDB_RUN_GROUP", about["group"]),
        job_type=GIVEN.get("WANDB_JOB_TYPE", about["kind"]),
    )
    return Trainers.WandbCallback()


def _mlflow(about: Mapping[str, Any]) -> Any:
    os.environ["MLFLOW_EXPERIMENT_NAME"] = GIVEN.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
    if "MLFLOW_TRACKING_URI" not in GIVEN and find_spec("sqlalchemy") is None:
        # MLflow's own default is a data base, for which mlflow-skinny has no driver.
        os.environ["MLFLOW_TRACKING_URI"] = "mlruns"
    tags = {**json.loads(GIVEN.get("MLFLOW_TAGS", "{}")), **about["tags"], "xharness.id": about["id"]}
    os.environ["MLFLOW_TAGS"] = json.dumps(tags)
    os.environ.pop("MLFLOW_RUN_ID", None)
    _experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
    # The same training, which an earlier run of xharness began.
    if found := _runs(f"tags.`xharness.id` = '{about['id']}'"):
        os.environ["MLFLOW_RUN_ID"] = found[0].info.run_id
    return Trainers.MLflowCallback()


def _experiment(name: str) -> None:
    """Have the experiment be there: of several processes that make it at once, one is the first."""
    mlflow = import_module("mlflow")
    try:
        mlflow.set_experiment(name)
    except mlflow.exceptions.MlflowException:
        mlflow.set_experiment(name)


def _runs(filter_string: str) -> list[Any]:
    return list(import_module("mlflow").search_runs(filter_string=filter_string, output_format="list"))


def _gather(group: str) -> None:
    """Have MLflow show the trainings of a run of xharness under it."""
    mlflow = import_module("mlflow")
    parent = mlflow.active_run().info.run_id
    client = mlflow.MlflowClient()
    for run in _runs(f"tags.`xharness.run` = '{group}' AND tags.`xharness.kind` = 'training'"):
        client.set_tag(run.info.run_id, "mlflow.parentRunId", parent)


def _tensorboard(about: Mapping[str, Any]) -> Any:
    """A folder a tracked run; one that is gone on with forgets the steps that are made again."""
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in _unique(about))
    folder = Path(GIVEN.get("TENSORBOARD_LOGGING_DIR", "runs")).expanduser() / name
    writer = import_module("torch.utils.tensorboard").SummaryWriter(str(folder), purge_step=about["resumed_at"] + 1)
    return Trainers.TensorBoardCallback(writer)


def _trackio(about: Mapping[str, Any]) -> Any:
    return Trainers.TrackioCallback()


CALLBACKS = {"wandb": _wandb, "mlflow": _mlflow, "tensorboard": _tensorboard, "trackio": _trackio}
