"""The laptop side: connects, submits, waits and tunnels."""
