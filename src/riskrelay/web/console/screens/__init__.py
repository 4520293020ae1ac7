"""The console's screens: one module for each entry of the navigation."""
