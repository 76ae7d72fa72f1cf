"""Statistics that know nothing of images or of FiftyOne: arrays in, frozen dataclasses out."""
