"""How words are chosen from a captioner's distributions."""
