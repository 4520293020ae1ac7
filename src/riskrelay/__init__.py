"""riskrelay: risk findings in, risk levels decided, signed security events out."""
