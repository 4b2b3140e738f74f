"""How a gateway is let in."""
