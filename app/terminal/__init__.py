"""The command `jari`'s parts: which photos are meant, checking them one after another or several at once, and showing what came out."""
