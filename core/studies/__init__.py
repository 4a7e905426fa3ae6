"""Several runs that belong to one question: cross-validation, learning curve, search; and the trash for all of them."""
