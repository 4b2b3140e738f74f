"""The command line's subjects, and what all of its commands share."""
