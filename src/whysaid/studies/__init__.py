"""The papers' experiments: each takes a model and data, and gives a table, its figures and the numbers in both."""
