"""What is stored of the gateways' chains, and when their bundles were."""
