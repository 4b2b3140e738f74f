"""A lot's record as EPCIS 2.0 events: what happened to it where, and what sensors said."""
