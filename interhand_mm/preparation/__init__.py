"""Check and convert downloaded data sets."""
