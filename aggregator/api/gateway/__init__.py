"""What is given to gateways."""
