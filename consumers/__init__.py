"""What runs without being asked; alone moves ratings."""
