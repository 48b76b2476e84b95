"""Words that the picture makes likelier, in place of those that the language makes likely."""
