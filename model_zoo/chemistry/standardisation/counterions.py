"""Components that come with a drug and are not the drug: counter-ions, solvents of crystals, inorganic acids.

Each is written neutral, or with the charge it cannot lose, and without stereochemistry, so that malate and D-tartrate
are found as drawn.

Collected from the salts of approved medicines. A component that is missing here makes its salt a mixture, which is
refused by name: add it here.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from rdkit import Chem

Kind = Literal["inorganic", "solvent", "counter-ion"]

_INORGANIC = """
O water; OO hydrogen peroxide; Cl hydrochloric acid; Br hydrobromic acid; I hydriodic acid; F hydrofluoric acid;
N ammonia; S hydrogen sulfide; OS(=O)(=O)O sulfuric acid; OS(=O)O sulfurous acid; OP(=O)(O)O phosphoric acid;
OP=O hypophosphorous acid; O[PH2]=O hypophosphorous acid; OP(O)=O phosphorous acid; OP(=O)=O metaphosphoric acid;
OP(=O)(O)OP(=O)(O)O diphosphoric acid; OP(=O)(O)F fluorophosphoric acid; O[N+](=O)[O-] nitric acid;
ON=O nitrous acid; OCl(=O)(=O)=O perchloric acid; OB(O)O boric acid; F[B-](F)(F)F tetrafluoroborate;
F[P-](F)(F)(F)(F)F hexafluorophosphate; OC(=O)O carbonic acid; O=C=O carbon dioxide; N#CS thiocyanic acid;
N=C=S thiocyanic acid; C#N hydrogen cyanide; OS(=O)(=O)F fluorosulfuric acid; NS(=O)(=O)O sulfamic acid;
O[Si](O)(O)O silicic acid; II iodine
"""
_SOLVENTS = """
CO methanol; CCO ethanol; CCCO propanol; CC(C)O propan-2-ol; CCCCO butanol; CC(C)CO isobutanol; CC(C)(C)O tert-butanol;
CC(O)CO propylene glycol; OCCO ethylene glycol; CC(=O)C acetone; CCC(=O)C butanone; CC(=O)OCC ethyl acetate;
COC(=O)C methyl acetate; CC(=O)OC(C)C isopropyl acetate; CC#N acetonitrile; CS(C)=O dimethyl sulfoxide;
C[S+](C)[O-] dimethyl sulfoxide; CN(C)C=O dimethylformamide; CC(=O)N(C)C dimethylacetamide;
CN1CCCC1=O N-methylpyrrolidone; C1CCOC1 tetrahydrofuran; C1COCCO1 dioxane; CCOCC diethyl ether;
COC(C)(C)C tert-butyl methyl ether; ClCCl dichloromethane; ClC(Cl)Cl chloroform; Cc1ccccc1 toluene;
COCCO 2-methoxyethanol
"""
_COUNTER_IONS = """
OC=O formic acid; CC(=O)O acetic acid; OC(=O)C(F)(F)F trifluoroacetic acid; OC(=O)C(Cl)Cl dichloroacetic acid;
CCC(=O)O propionic acid; CCCC(=O)O butyric acid; CC(C)C(=O)O isobutyric acid; CCCCC(=O)O valeric acid;
CC(C)(C)C(=O)O pivalic acid; CCCCCC(=O)O caproic acid; CCCCCCC(=O)O enanthic acid; CCCCCCCC(=O)O caprylic acid;
CCCCCCCCCC(=O)O capric acid; CCCCCCCCCCCC(=O)O lauric acid; CCCCCCCCCCCCCCCC(=O)O palmitic acid;
CCCCCCCCCCCCCCCCCC(=O)O stearic acid; CCCCCCCCC=CCCCCCCCC(=O)O oleic acid; C=CCCCCCCCCC(=O)O undecylenic acid;
OCC(=O)O glycolic acid; CC(O)C(=O)O lactic acid; OCC(O)C(=O)O glyceric acid; OC(C(=O)O)c1ccccc1 mandelic acid;
OC(=O)C(=O)O oxalic acid; OC(=O)CC(=O)O malonic acid; OC(=O)CCC(=O)O succinic acid; OC(=O)CCCC(=O)O glutaric acid;
OC(=O)CCCCC(=O)O adipic acid; OC(=O)CCCCCCCCC(=O)O sebacic acid; OC(=O)C=CC(=O)O fumaric or maleic acid;
OC(CC(=O)O)C(=O)O malic acid; OC(C(O)C(=O)O)C(=O)O tartaric acid; OC(=O)CC(O)(CC(=O)O)C(=O)O citric acid;
OC(=O)CCC(=O)C(=O)O 2-oxoglutaric acid; OC(C(O)C(O)C(=O)O)C(O)C(=O)O mucic acid;
OCC(O)C(O)C(O)C(O)C(=O)O gluconic acid; OCC(O)C(O)C(O)C(O)C(O)C(=O)O glucoheptonic acid;
OC1OC(C(O)C(O)C1O)C(=O)O glucuronic acid; O=CC(O)C(O)C(O)C(O)C(=O)O glucuronic acid;
OCC(O)C(OC1OC(CO)C(O)C(O)C1O)C(O)C(O)C(=O)O lactobionic acid; OCC(O)C1OC(=O)C(O)=C1O ascorbic acid;
OC(=O)c1ccccc1 benzoic acid; OC(=O)c1ccccc1O salicylic acid; OC(=O)c1cc(O)ccc1O gentisic acid;
OC(=O)c1ccc(O)cc1 4-hydroxybenzoic acid; OC(=O)c1ccc2ccccc2c1O 1-hydroxy-2-naphthoic acid;
OC(=O)c1cc2ccccc2cc1O 3-hydroxy-2-naphthoic acid; OC(=O)c1ccc(cc1)C(=O)O terephthalic acid;
OC(=O)C=Cc1ccccc1 cinnamic acid; OC(=O)Cc1ccccc1 phenylacetic acid; OC(=O)CCc1ccccc1 phenylpropionic acid;
OC(=O)CNC(=O)c1ccccc1 hippuric acid; CC(=O)NCC(=O)O aceturic acid; CC(=O)Nc1ccc(cc1)C(=O)O acedoben;
OC(=O)c1occc1 furoic acid; OC(=O)c1cccnc1 nicotinic acid; O=c1cc(C(=O)O)[nH]c(=O)[nH]1 orotic acid;
OC(=O)C1CCC(=O)N1 pyroglutamic acid; CC1(C)C(CCC1(C)C(=O)O)C(=O)O camphoric acid;
OC(=O)c1cc2ccccc2c(Cc3c(O)c(cc4ccccc34)C(=O)O)c1O pamoic acid;
OC(=O)c1ccccc1C(=O)c1ccc(O)cc1 hybenzic acid; OC(=O)C(c1ccccc1)(c1ccccc1)c1ccccc1 trifenatic acid;
OC(=O)CCC1CCCC1 cypionic acid; CC12CCC(CC1)(C=C2)C(=O)O cyclotic acid;
OC(=O)CN(CCN(CC(=O)O)CC(=O)O)CC(=O)O edetic acid;
CS(=O)(=O)O methanesulfonic acid; CCS(=O)(=O)O ethanesulfonic acid; OS(=O)(=O)C(F)(F)F triflic acid;
OS(=O)(=O)CCS(=O)(=O)O ethanedisulfonic acid; OCCS(=O)(=O)O isethionic acid; NCCS(=O)(=O)O taurine;
OS(=O)(=O)c1ccccc1 benzenesulfonic acid; Cc1ccc(cc1)S(=O)(=O)O toluenesulfonic acid;
OS(=O)(=O)c1ccc(Cl)cc1 closilic acid; Cc1cc(C)c(c(C)c1)S(=O)(=O)O mesitylenesulfonic acid;
OS(=O)(=O)c1ccc2ccccc2c1 naphthalene-2-sulfonic acid; OS(=O)(=O)c1cccc2ccccc12 naphthalene-1-sulfonic acid;
OS(=O)(=O)c1cccc2c(cccc12)S(=O)(=O)O naphthalene-1,5-disulfonic acid;
CC1(C)C2CCC1(CS(=O)(=O)O)C(=O)C2 camphorsulfonic acid; OC(=O)c1cc(ccc1O)S(=O)(=O)O sulfosalicylic acid;
OC(=O)c1cccc(c1O)S(=O)(=O)O sulfosalicylic acid; COS(=O)(=O)O methyl sulfuric acid; CCOS(=O)(=O)O ethyl sulfuric acid;
CCCCCCCCCCCCOS(=O)(=O)O dodecyl sulfuric acid; OS(=O)(=O)NC1CCCCC1 cyclamic acid;
O=C1NS(=O)(=O)c2ccccc12 saccharin; OCC(O)COP(=O)(O)O glycerophosphoric acid; OCC(CO)OP(=O)(O)O glycerophosphoric acid;
Oc1c(cc(cc1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-] picric acid; CC1=CC(=O)NS(=O)(=O)O1 acesulfame;
Cn1c(=O)c2[nH]c(Cl)nc2n(C)c1=O 8-chlorotheophylline; Cn1c2nc(Cl)[nH]c2c(=O)n(C)c1=O 8-chlorotheophylline;
NCC(=O)O glycine; NC(CC(=O)O)C(=O)O aspartic acid; NC(CCC(=O)O)C(=O)O glutamic acid; NCCCCC(N)C(=O)O lysine;
NC(CCCNC(=N)N)C(=O)O arginine; NC(CCCN)C(=O)O ornithine; NC(Cc1c[nH]cn1)C(=O)O histidine; OC(=O)C1CCCN1 proline;
CNCC(O)C(O)C(O)C(O)CO meglumine; NC(CO)(CO)CO tromethamine; NCCO ethanolamine; OCCNCCO diethanolamine;
OCCN(CCO)CCO triethanolamine; CN(C)CCO deanol; CCN(CC)CCO 2-(diethylamino)ethanol; C[N+](C)(C)CCO choline;
OCCN1CCCC1 epolamine; OCCN1CCOCC1 4-(2-hydroxyethyl)morpholine; CC(O)CN(C)C dimepranol;
CC(C)(N)CO 2-amino-2-methylpropanol;
NCCN ethylenediamine; CC(C)(C)N tert-butylamine; CCNCC diethylamine; CCN(CC)CC triethylamine; C1CNCCN1 piperazine;
C1COCCN1 morpholine; C1CCC(CC1)NC1CCCCC1 dicyclohexylamine; C(Cc1ccccc1)NCc1ccccc1 benethamine;
C(CNCc1ccccc1)NCc1ccccc1 benzathine; NC1CCCCC1 cyclohexylamine; NCc1ccccc1 benzylamine; NC(N)=O urea;
c1c[nH]cn1 imidazole; CN methylamine; CNC dimethylamine;
OCC(O)CO glycerol
"""


@cache
def known() -> dict[str, tuple[str, Kind]]:
    """Return name and kind by canonical SMILES without stereochemistry."""
    kinds: tuple[tuple[Kind, str], ...] = (
        ("inorganic", _INORGANIC), ("solvent", _SOLVENTS), ("counter-ion", _COUNTER_IONS),
    )  # fmt: skip
    found: dict[str, tuple[str, Kind]] = {}
    for kind, text in kinds:
        for entry in text.replace("\n", " ").split(";"):
            smiles, _, name = entry.strip().partition(" ")
            found[Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=False)] = (name, kind)
    return found
