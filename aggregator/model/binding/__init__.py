"""Which readings belong to which lot: facts, presence, occupancy and the rule over them."""
