"""What follows from the features of a network: neighbours, the embedding map, label errors."""
