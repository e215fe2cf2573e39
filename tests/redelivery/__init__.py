"""Every source's events, delivered as vendors deliver them: twice, late, out of order, over weeks."""
