"""A dossier, one subject a file: the file itself, its archive, manifest, bundles and series."""
