"""Photo → [Hand]: every hand in the picture, with 21 landmarks each."""
