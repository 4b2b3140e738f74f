"""Who is at either end of an encrypted line, and for how long their certificates last."""
