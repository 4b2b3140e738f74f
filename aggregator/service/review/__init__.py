"""Use cases of review: decide exceptions, sign, release by two, hold, and add after release."""
