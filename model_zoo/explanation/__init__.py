"""Why a model predicts what it predicts: from columns of features back to atoms."""
