"""Sessions on the real cluster: started, held, broken into, cut off, ended."""
