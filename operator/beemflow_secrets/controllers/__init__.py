"""One module a kind: what a resource asks for is done, and how it stands is written on it."""
