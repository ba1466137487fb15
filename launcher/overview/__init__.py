"""All that lies on a platform: sessions and runs of other computers, and jobs nobody answers for."""
