"""Many photos: where they come from, the run over them, the ledger of what was done, and the reports."""

# Files of an out folder. The names of others that SQLite keeps there begin as the ledger's.
LEDGER = "ledger.sqlite"
RESULTS = "results.jsonl"
REPORTS = ("report.html", "report.xlsx", "report.csv", RESULTS)
