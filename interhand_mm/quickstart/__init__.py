"""The worked example: render, train, test and report in a quarter of an hour."""
