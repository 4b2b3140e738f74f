"""New settings for a running agent: taken whole or not at all."""
