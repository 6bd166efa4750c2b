"""Words of others at the terminal: names of files, and what was typed or expanded there."""


def printable(text: str) -> str:
    """Return a text that cannot play tricks on the terminal: what is no visible letter as U+FFFD."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
