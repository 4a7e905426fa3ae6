"""The pages of the viewer; thin: collect input, call core, draw."""
