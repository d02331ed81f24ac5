"""Text that others chose, in lines of our own."""


def escaped(text: str) -> str:
    """Return a text in one line, with each control character as Python writes it."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
