"""The training itself: data, loader, training step, trainer, and what a finished run exports."""
