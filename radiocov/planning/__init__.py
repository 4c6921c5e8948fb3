"""Which sites to add so that targets are met."""
