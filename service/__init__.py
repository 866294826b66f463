"""What is known, and answers when asked: matches, ratings, the store, the HTTP interface."""

import os

# A process has one core. Threads for matrices of a few hundred rows wait for each other longer than they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
