"""What an audit would have found: graded effects planted into copies of the user's own images."""
