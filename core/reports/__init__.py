"""Reports to download: one HTML file each, with everything in it."""
