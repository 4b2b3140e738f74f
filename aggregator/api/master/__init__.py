"""Master data over the API: entities, their versions and approval, tables, the dictionary."""
