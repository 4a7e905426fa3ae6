"""What a training would cost and which learning rate suits it, found from a few steps before it starts."""
