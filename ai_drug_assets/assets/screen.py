"""`screen/<name>`: a library predicted with the champions, made when somebody asks for it.

Belongs here: one asset per YAML in `configs/screens/`, and what it shows.
Does not belong here: the work (see `ai_drug_assets/screens.py`).

It is no asset of the catalog and has no automation: a library takes hours, and whether it is worth a new champion is
for people to say. Materialised again it goes on where it stopped; complete, it does nothing.
"""

import dagster as dg
from model_zoo.digests import json_digest
from model_zoo.roots import Makers
from model_zoo.screening import Screen
from model_zoo.signed_code import sign

from ai_drug_assets import keys, plots
from ai_drug_assets.assets._asset import DEFAULT_OWNERS
from ai_drug_assets.catalog import INFERENCE_SERVICE
from ai_drug_assets.workshop import Workshop

KIND = "screen"
GROUP = "screens"


def screen_asset(workshop: Workshop, screen: Screen) -> dg.AssetsDefinition:
    """Make the asset."""
    code = sign(Makers(("screening",)), workshop.settings.code_root)["code"]

    @dg.asset(
        key=dg.AssetKey([KIND, screen.name]),
        deps=[keys.asset_key(INFERENCE_SERVICE)],
        code_version=json_digest({"code": dict(code), "screen": screen.model_dump(mode="json")})[:16],
        group_name=GROUP,
        owners=list(DEFAULT_OWNERS),
        kinds={"ray", "parquet"},
        description=screen.description,
    )
    def _asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from ai_drug_assets.screens import run_screen

        report = run_screen(workshop.settings, screen, context.log.info)
        if report.failed:
            first = "; ".join(f"{number}: {why}" for number, why in list(report.failed.items())[:5])
            failed = f"{len(report.failed)} of {report.shards} shards failed ({first})"
            raise dg.Failure(f"{failed}; the others are kept: materialise again")
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report.out.rsplit("/", 1)[-1]),
            metadata={
                "results": report.out,
                "rows": report.rows,
                "shards": report.shards,
                "made_now": report.made,
                "champions": plots.markdown_table(("endpoint", "version"), list(report.versions.items())),
            },
        )

    return _asset
