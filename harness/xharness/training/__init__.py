"""The training machinery: network, loop, batches, devices, checkpoints, trimmed vocabulary. It knows no step."""
