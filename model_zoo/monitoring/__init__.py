"""What a served model does in use: its record of predictions and measured values, and what follows from it."""
