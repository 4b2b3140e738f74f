"""The gateway's buffer: sealed bundles on disk until the aggregator's receipt covers them."""
