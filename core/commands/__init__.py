"""The commands a person can give, one registry for every platform (design §6)."""
