"""What the service costs, measured beside the yardsticks: ``make bench``."""

# First of all: it says how many threads numpy may have, which is too late once numpy is there.
import service  # noqa: F401  # see above
