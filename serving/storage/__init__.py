"""Where bundles come from: a store's name, and the store in S3."""
