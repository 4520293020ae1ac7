"""What runs by itself: the worker that delivers, and the chores."""
