"""What brings notifications out of the house: one port, and a module for each that carries."""
