"""Times of everything that a user waits for, against peers where installed (`make bench`)."""
