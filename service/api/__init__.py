"""The HTTP interface: one resource a file. `service.api.app` puts them together."""
