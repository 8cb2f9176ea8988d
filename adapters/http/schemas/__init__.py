"""The models of the API, as its OpenAPI document shows them."""
