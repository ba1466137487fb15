"""The ways to a session: ports that stay bound here, and the safest door over there that opens."""
