"""Measurements make the model true, and say how true: logs paired with predictions, fitted, validated."""
