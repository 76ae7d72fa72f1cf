"""Where is the difference between two groups of images, how large is it, and does a model hang on it?"""
