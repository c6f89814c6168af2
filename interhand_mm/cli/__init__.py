"""Command-line arguments, and the options and objects made from them."""
