"""BeemFlow's own files: which secrets they ask for, found without running them, and what they say with them."""
