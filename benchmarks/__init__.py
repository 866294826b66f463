"""What the service costs, measured beside the yardsticks: ``make bench``."""
