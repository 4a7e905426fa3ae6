"""What the page Predict is made of."""
