"""The demo: a whole site on one machine, two lots, one excursion, and the proof of it."""
