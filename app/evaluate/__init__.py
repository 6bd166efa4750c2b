"""Measures how right the line from photo to advice is, on labelled photos, and writes a report of it."""
