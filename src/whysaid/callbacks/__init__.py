"""What is logged, and when."""
