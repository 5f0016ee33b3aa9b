"""How the tables came to be; run at start."""
