"""The HTTP edge: every URL in app.py; JSON becomes domain here and domain becomes JSON."""
