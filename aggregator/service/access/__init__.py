"""Use cases of access: accounts of persons, tokens of services, rights, login and logout."""
