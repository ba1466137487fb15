"""What a person lives through at a terminal: progress, questions, and what is said at the end."""
