"""From a task's sources to its examples."""
