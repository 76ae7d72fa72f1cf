"""Whether an answer lies inside a mask, outside it, or in its outline."""
