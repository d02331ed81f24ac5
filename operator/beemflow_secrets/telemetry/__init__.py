"""What the process tells of itself: logs, metrics, health. None of it ever holds a value."""
