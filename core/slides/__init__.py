"""Whole slides: read at any scale, tissue found, predicted cell by cell, measured and written down."""
