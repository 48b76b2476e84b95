"""What flows: images, captions, batches, vocabularies and the files they come from."""
