"""What is printed and asked: progress on stderr, results on stdout, lines that fit the screen."""
