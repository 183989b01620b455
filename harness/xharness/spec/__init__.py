"""The spec: TOML in, typed frozen values out. Imports nothing heavier than pydantic."""
