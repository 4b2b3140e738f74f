"""Forms in which a batch record leaves the system: printed, and as a dossier."""
