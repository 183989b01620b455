"""Trackers: wandb, mlflow, tensorboard and trackio are told how trainings go and what a run scored.

Each is driven by the callback that transformers' Trainer has for it, in a process of its own (`process`), which the
run feeds with events (`tracking`): a tracker that is slow, prints, draws random numbers or dies touches no training.
"""
