"""The parts of the page Browse."""
