"""One file a measured row: each has ``run(folder, scale)``, which returns its entries."""
