"""What can be typed: each module holds the commands of one subject, and imports what it needs inside each."""
