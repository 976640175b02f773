"""What it costs. It never reads what was said."""
