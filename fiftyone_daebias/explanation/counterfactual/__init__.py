"""What an image would look like on the other side of a difference."""
