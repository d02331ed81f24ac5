"""From what a backend holds to what a Secret holds. Pure functions: nothing here waits, reads or writes."""
