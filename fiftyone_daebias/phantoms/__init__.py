"""A spine MR cohort whose hidden properties are known: people, anatomy, what is planted, writing and scoring."""
