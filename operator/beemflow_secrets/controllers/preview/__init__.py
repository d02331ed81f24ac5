"""What syncs would write, worked out as the operator does it and written nowhere."""
