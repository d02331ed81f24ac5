"""What runs when: a keyed queue, a schedule, back-off and workers. Knows neither Kubernetes nor secrets."""
