"""One photo after another in a browser: what is said of it, why, and what would be said of another."""
