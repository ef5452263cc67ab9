"""Figures with their budgets: kept, judged, compared, drawn."""
