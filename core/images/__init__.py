"""From a file to pixels: finding files, opening zips, decoding, µm per pixel, tiling, and limits on all of them."""
