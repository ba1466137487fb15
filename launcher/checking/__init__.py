"""Whether a platform has all that a session needs: small questions, and what their answers mean."""
