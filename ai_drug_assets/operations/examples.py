"""The embedded endpoints, which show what the product does and which a lab may remove."""

EXAMPLES = ("bbb_permeability", "brain_blood_ratio", "hydration_free_energy", "nav17_pic50", "solubility_logs")
