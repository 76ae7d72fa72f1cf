"""What was found: facts with their counts, corrected together, ranked, reviewed; each analysis reads its own."""
