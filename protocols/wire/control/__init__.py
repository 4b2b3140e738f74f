"""What the aggregator commands, and what keys hand over to keys."""
