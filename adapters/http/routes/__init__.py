"""One module a group of routes, under one prefix."""

API = "/api/v1"
