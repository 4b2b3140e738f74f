"""What an engineer uses before go-live: look at what the configured equipment gives."""
