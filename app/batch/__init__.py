"""Many photos: where they come from, the run over them, the ledger of what was done, and the reports."""
