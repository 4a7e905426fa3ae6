"""Reports to take away: self-contained files made from results."""
