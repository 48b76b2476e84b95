"""What spoke for a word: relevance of pixels, regions and earlier words."""
