"""Stored predictions of a model over a data set, subgroups of patches, and submissions to Kaggle."""
