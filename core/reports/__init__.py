"""Reports to take away: one HTML file each, with everything in it."""
