"""The page Slides."""
