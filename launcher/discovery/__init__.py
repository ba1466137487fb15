"""What a platform is found to have: the questions asked over there, their answers, and what to make of them. Pure."""
