"""What users write: configuration and resources as pydantic models. No I/O, and no room of ours is imported here."""
