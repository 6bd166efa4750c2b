"""The benchmark: how many hands are found, at what size, in what time and in how much memory, on scenes with known truth."""
