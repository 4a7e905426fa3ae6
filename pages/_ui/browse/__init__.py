"""The views of the page Browse."""
