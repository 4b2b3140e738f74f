"""From a message of the broker to stored evidence and a sealed receipt."""
