"""Use cases of access: accounts of persons, tokens of services, login and logout."""
