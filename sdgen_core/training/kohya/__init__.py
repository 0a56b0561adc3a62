"""LoRA training with the user's own checkout of kohya's sd-scripts: its options, checks before the start, command line and log."""
