"""1Password Connect.

    driver     the operations
    reading    values: read once, and kept while their items stand
    catalogue  the vault, and what lies in it: asked for anew only where its contents changed
    client     what is asked with the token, read anew when it is refused
    answers    reading what the server answers (pure)
    failures   what an answer that is no success means (pure)

Each knows only those below it. Five endpoints of plain HTTP, so there is no SDK: that one waits in threads, takes no
bound for an answer, and asks four times for what one question tells.
"""

from beemflow_secrets.providers.onepassword.driver import OnePasswordDriver

__all__ = ["OnePasswordDriver"]
