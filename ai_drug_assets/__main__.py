"""`python -m ai_drug_assets`: the command `aidrug`, without its installed script."""

from ai_drug_assets.cli import main

if __name__ == "__main__":
    main()
