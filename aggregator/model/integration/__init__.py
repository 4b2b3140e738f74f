"""What is told to other systems, and what theirs mean to us."""
