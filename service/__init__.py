"""What is known, and answers when asked: matches, ratings, the store, the HTTP interface."""
