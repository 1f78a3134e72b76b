"""A store seen another way: converted, joined, side by side, held in memory."""
