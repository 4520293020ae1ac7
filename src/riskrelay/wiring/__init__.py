"""The bill of materials: the only place that names concrete classes."""
