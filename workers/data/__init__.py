"""Images for training and tests: found, checked, fetched, turned to luma and made small."""
