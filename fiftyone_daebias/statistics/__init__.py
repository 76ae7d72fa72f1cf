"""General statistics in which subjects are the units: intervals, permutations, corrections. Knows no database."""
