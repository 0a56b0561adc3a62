"""Tools for LoRA files: look into them, put them into a checkpoint, make one of several, give them another rank."""
