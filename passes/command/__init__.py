"""The command `python -m passes`, for those who debug passes."""
