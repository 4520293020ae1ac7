"""One module per verb that a caller can ask for: one public function of the same name, one transaction."""
