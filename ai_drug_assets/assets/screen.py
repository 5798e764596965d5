"""`screen/<name>`: a library predicted with the champions, made when somebody asks for it.

It is no asset of the catalog and has no automation: a library takes hours, and whether it is worth a new champion is
for people to say. Materialised again it continues where it stopped; complete, it does nothing.
"""

import dagster as dg
from model_zoo.config.screen import Screen
from model_zoo.io.digests import json_digest
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signed_code import sign

from ai_drug_assets import keys
from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import DEFAULT_OWNERS
from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.planning.catalog import INFERENCE_SERVICE

KIND = "screen"


def screen_asset(asset_context: AssetContext, screen: Screen) -> dg.AssetsDefinition:
    """Make the asset."""
    code = sign(Makers(("screening",)), asset_context.settings.code_root)["code"]

    @dg.asset(
        key=dg.AssetKey([KIND, screen.name]),
        deps=[keys.asset_key(INFERENCE_SERVICE)],
        code_version=json_digest({"code": dict(code), "screen": screen.model_dump(mode="json")})[:16],
        group_name=keys.SCREENS,
        owners=list(DEFAULT_OWNERS),
        kinds={"ray", "parquet"},
        description=screen.description,
    )
    def _asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from ai_drug_assets.operations.screens import run_screen

        report = run_screen(asset_context.settings, screen, context.log.info)
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
