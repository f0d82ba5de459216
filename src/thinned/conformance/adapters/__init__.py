"""One framework a file: what it can do, and how its layers are called. Nothing is imported here."""
