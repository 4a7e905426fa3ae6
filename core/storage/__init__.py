"""Files that are whole or not there, where they lie, and the lock that keeps two from acting at once."""
