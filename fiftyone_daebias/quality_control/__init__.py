"""Classical measures of image quality: stored beside the images, and tested against metadata."""
