"""The ways in: HTTP, the page, the terminal, batches."""
