r"""The document `docs/pasted.md`: `python -m tests.pasted_inputs` writes it again.

Belongs here: kinds of text that people paste, and what must become of each molecule in it: its structure, or the code
of the refusal. The expectations are written by hand, not by the reader; a test holds both to each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from model_zoo.chemistry.molecules import InvalidMolecule, parse_molecule
from model_zoo.data.pasted.paste import read_paste

DOCUMENT = Path(__file__).parents[1] / "docs" / "pasted.md"
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
ASPIRIN_INCHI = "InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)"
_ATOMS = "\n".join(
    f"    {x:.4f}    0.0000    0.0000 {symbol}   0  0  0  0  0  0  0  0  0  0  0  0"
    for x, symbol in ((0, "C"), (1.5, "C"), (3, "O"))
)
_BODY = f"  3  2  0  0  0  0  0  0  0  0999 V2000\n{_ATOMS}\n  1  2  1  0\n  2  3  1  0\nM  END"
MOL = f"ethanol\n  ChemDraw01012612002D\n\n{_BODY}"
MOL_V3000 = (
    "\n  RDKit          2D\n\n  0  0  0  0  0  0  0  0  0  0999 V3000\nM  V30 BEGIN CTAB\nM  V30 COUNTS 3 2 0 0 0\n"
    "M  V30 BEGIN ATOM\nM  V30 1 C 0 0 0 0\nM  V30 2 C 1.5 0 0 0\nM  V30 3 O 3 0 0 0\nM  V30 END ATOM\n"
    "M  V30 BEGIN BOND\nM  V30 1 1 1 2\nM  V30 2 1 2 3\nM  V30 END BOND\nM  V30 END CTAB\nM  END"
)
SDF = f"\n  prog\n\n{_BODY}\n> <ID>\nX-1\n\n> <IC>\n5\n\n$$$$\nsecond\n  prog\n\n{_BODY}\n> <ID>\nX-2\n\n$$$$\n"
CHEMBL = (
    '"Molecule ChEMBL ID";"Molecule Name";"Molecular Weight";"Smiles";"Standard Type";"Standard Relation";'
    '"Standard Value";"Standard Units"\n'
    f'"CHEMBL25";"ASPIRIN";"180.16";"{ASPIRIN}";"IC50";"\'=\'";"1234,5";"nM"\n'
    f'"CHEMBL113";"CAFFEINE";"194.19";"{CAFFEINE}";"IC50";"\'>\'";"100000";"nM"\n'
)


class Case(NamedTuple):
    """A kind of text.

    Attributes
    ----------
    becomes
        Per molecule, in order: its name, and a SMILES of it or the code of the refusal.
    lines
        Lines that hold no molecule: headings, what is above them, comments, punctuation.
    """

    kind: str
    text: str
    becomes: tuple[tuple[str, str], ...]
    lines: int = 0


ONE = (("", "CCO"),)
CASES = (
    Case("SMILES, one per line", "CCO\nc1ccccc1", (("", "CCO"), ("", "c1ccccc1"))),
    Case("SMILES and a name", "CCO ethanol\nCCN\tethyl amine", (("ethanol", "CCO"), ("ethyl amine", "CCN"))),
    Case("a name and SMILES", f"CMPD-1 {ASPIRIN}\nCMPD-2 CCN", (("CMPD-1", ASPIRIN), ("CMPD-2", "CCN"))),
    Case("two SMILES in a line", "CCO c1ccccc1", (("CCO", "c1ccccc1"),)),
    Case("table of Markdown", "| name | SMILES |\n|---|---|\n| ethanol | CCO |\n| X-2 | CCN |", (
        ("ethanol", "CCO"), ("X-2", "CCN")), 2),
    Case("CXSMILES", "C[C@H](N)CO |&1:1| rac-alaninol", (("rac-alaninol", "CC(N)CO"),)),
    Case("salt", "CC(=O)[O-].[Na+] sodium acetate", (("sodium acetate", "CC(=O)O"),)),
    Case("InChI", f"{ASPIRIN_INCHI}\n{ASPIRIN_INCHI} aspirin", (("", ASPIRIN), ("aspirin", ASPIRIN))),
    Case("InChI cut off", ASPIRIN_INCHI[:-14], (("", "invalid-inchi"),)),
    Case("InChIKey", "BSYNRYMUTXBXSQ-UHFFFAOYSA-N", (("", "inchikey"),)),
    Case("CAS number", "50-78-2\nCAS 58-08-2", (("", "cas-number"), ("", "cas-number"))),
    Case("identifiers of databases", "CHEMBL25\nCID 2244", (("", "identifier"), ("", "identifier"))),
    Case("MOL block (V2000, ChemDraw)", MOL, (("ethanol", "CCO"),)),
    Case("MOL block that lost its empty first line", MOL.partition("\n")[2], ONE),
    Case("MOL block (V3000)", MOL_V3000, ONE),
    Case("MOL block cut off", "\n".join(MOL.split("\n")[:6]), (("ethanol", "invalid-structure"),)),
    Case("SDF with properties", SDF, (("X-1", "CCO"), ("second", "CCO"))),
    Case("SMILES, then a MOL block, then SMILES", f"CCN\nC1CC1\n{MOL}\n\nCCC", (
        ("", "CCN"), ("", "C1CC1"), ("ethanol", "CCO"), ("", "CCC"))),
    Case("ChEMBL download (semicolons, quotes)", CHEMBL, (("ASPIRIN", ASPIRIN), ("CAFFEINE", CAFFEINE)), 1),
    Case("CSV with a header, structure last", "id,pIC50,smiles\nA-1,5.5,CCO\nA-2,6,CCN",
         (("A-1", "CCO"), ("A-2", "CCN")), 1),
    Case("CSV without a header", "A-1,5.5,CCO\nA-2,6,CCN", (("A-1", "CCO"), ("A-2", "CCN"))),
    Case("name,smiles", "ethanol,CCO\namine,CCN", (("ethanol", "CCO"), ("amine", "CCN"))),
    Case("rows of a spreadsheet (tabs)", f"Compound\tMW\tSMILES\nasp\t180.2\t{ASPIRIN}\ncaf\t194.2\t{CAFFEINE}",
         (("asp", ASPIRIN), ("caf", CAFFEINE)), 1),
    Case("a column of a spreadsheet with its title", "SMILES\nCCO\nCCN", (("", "CCO"), ("", "CCN")), 1),
    Case("title and notes above a table", "Kinase series\nexported in May\nID\tSMILES\nA-1\tCCO\nA-2\tCCN",
         (("A-1", "CCO"), ("A-2", "CCN")), 3),
    Case("title above a single column", "Results of May, first plate\nSMILES\nCCO\nCCN", (("", "CCO"), ("", "CCN")), 2),
    Case("drug above a table", "aspirin\nName\tSMILES\nethanol\tCCO",
         (("", ASPIRIN), ("Name", "unknown-name"), ("ethanol", "CCO"))),
    Case("separator named in the first line (Excel)", "sep=;\nSMILES;pIC50\nCCO;5,1\nCCN;4",
         (("", "CCO"), ("", "CCN")), 2),
    Case("remark that speaks of SMILES", "CCO;SMILES unclear\nCCN;ordered\nCCCCO;",
         (("SMILES unclear", "CCO"), ("ordered", "CCN"), ("", "CCCCO"))),
    Case("semicolons and decimal commas", "CCO;0,5;ethanol\nCCN;-1,25;amine", (("ethanol", "CCO"), ("amine", "CCN"))),
    Case("pipes", "ethanol|CCO\namine|CCN", (("ethanol", "CCO"), ("amine", "CCN"))),
    Case("two columns of structures, named", "SMILES,Product SMILES\nCCO,CC=O\nCCN,CC=N",
         (("", "CCO"), ("", "CCN")), 1),
    Case("two columns of structures, not named", "CCCCO,CCCC=O\nCCCCN,CCCC=N",
         (("", "unclear-column"), ("", "unclear-column"))),
    Case("numbered list", "1. CCO\n2) CCN amine\n(3) CCC", (("", "CCO"), ("amine", "CCN"), ("", "CCC"))),
    Case("bullets", "- CCO\n• CCN amine", (("", "CCO"), ("amine", "CCN"))),
    Case("numbers before, without dots", "1 CCO\n2 CCN", (("1", "CCO"), ("2", "CCN"))),
    Case("in quotes", '"CCO"\n\'CCN\'\n“CCC”', (("", "CCO"), ("", "CCN"), ("", "CCC"))),
    Case("a list of a program, on one line", "['CCO', 'CCN', \"c1ccccc1\"]",
         (("", "CCO"), ("", "CCN"), ("", "c1ccccc1"))),
    Case("a list of a program, on many lines", '[\n  "CCO",\n  "CCN"\n]', (("", "CCO"), ("", "CCN")), 2),
    Case("several on one line", "CCO, CCN, c1ccccc1", (("", "CCO"), ("", "CCN"), ("", "c1ccccc1"))),
    Case("several on one line, blanks between", "CCO CCN c1ccccc1", (("", "CCO"), ("", "CCN"), ("", "c1ccccc1"))),
    Case("names of drugs", "aspirin\nAcetylsalicylic acid\nCaffeine", (("", ASPIRIN), ("", ASPIRIN), ("", CAFFEINE))),
    Case("misspelt name", "ibuprofin", (("", "unknown-name"),)),
    Case("IUPAC names", "2-acetyloxybenzoic acid\n1,2-dichloroethane", (("", "unknown-name"), ("", "unknown-name"))),
    Case("empty lines", "\nCCO\n\n\nCCN\n", (("", "CCO"), ("", "CCN"))),
    Case("comments", "# from the notebook\nCCO\n// end", ONE, 2),
    Case("byte order mark, Windows line ends", "\ufeffCCO ethanol\r\nCCN\r\n", (("ethanol", "CCO"), ("", "CCN"))),
    Case("hard blanks, invisible signs", "CCO\u00a0ethanol\n\u200bCC\u200bN", (("ethanol", "CCO"), ("", "CCN"))),
    Case("typographic minus", "CC(=O)[O\u2212].[Na+]", (("", "CC(=O)O"),)),
    Case("a table copied as HTML",
         "<table><tr><th>Name</th><th>SMILES</th></tr><tr><td>ethanol</td><td>CCO</td></tr></table>",
         (("ethanol", "CCO"),), 1),
    Case("rich text (RTF)", "{\\rtf1\\ansi CCO\\par CCN}", (("", "rich-text"),)),
    Case("reaction", "CCO>>CC=O\nCCO>[Cr]>CC=O", (("", "reaction"), ("", "reaction"))),
    Case("SMARTS", "[C,N]CC\n[$([CX3]=O)]", (("", "pattern"), ("", "pattern"))),
    Case("R-groups", "*CCO\n[R1]CCO\n[*:1]CC", (("", "incomplete-structure"),) * 3),
    Case("peptide, one letter each", "MKTAYIAKQRQISFVK", (("", "sequence"),)),
    Case("peptide, three letters each", "H-Ala-Gly-Ser-OH", (("", "sequence"),)),
    Case("HELM", "PEPTIDE1{A.G.C}$$$$V2.0", (("", "sequence"),)),
    Case("FASTA", ">sp|P1 a protein\nMKTAYIAKQR\nQISFVKSHFS\nCCO", (("sp|P1 a protein", "sequence"), ("", "CCO"))),
    Case("molecular formula", "C9H8O4", (("", "formula"),)),
    Case("numbers alone", "12.5\n<10", (("", "number"), ("", "number"))),
    Case("broken SMILES with a name", "C1CC oops\nc1ccccc benzene",
         (("oops", "invalid-smiles"), ("benzene", "invalid-smiles"))),
    Case("duplicates", "CCO a\nOCC b", (("a", "CCO"), ("b", "OCC"))),
    Case("every line of another kind", f"CCO ethanol\nCCN;amine\n{ASPIRIN_INCHI}\naspirin\n50-78-2\nnonsense",
         (("ethanol", "CCO"), ("amine", "CCN"), ("", ASPIRIN), ("", ASPIRIN), ("", "cas-number"),
          ("", "unknown-name"))),
    Case("mixture, metal, radical", "CCCCN.OCCCCO\nCC[Hg]CC\n[CH2]C",
         (("", "mixture"), ("", "metal"), ("", "radical"))),
    Case("name that reads as a formula of a spreadsheet", "CCO =SUM(A1)", (("=SUM(A1)", "CCO"),)),
    Case("name that begins with a sign", "CCO (R)-form\nCCN +/-", (("(R)-form", "CCO"), ("+/-", "CCN"))),
    Case("only empty lines", "\n \n\t\n", ()),
)  # fmt: skip


def became(text: str) -> list[tuple[str, str, str, str]]:
    """Return per molecule its name, its SMILES or code, what it was read as, and what is said of it."""
    rows = []
    for entry in read_paste(text).entries:
        notation = entry.notation
        if not notation.is_structure:
            rows.append((entry.name, notation.code, notation.kind, notation.detail))
            continue
        parsed = parse_molecule(notation.smiles)
        if isinstance(parsed, InvalidMolecule):
            rows.append((entry.name, parsed.code, notation.kind, parsed.detail))
        else:
            notes = [notation.note, *(note.detail for note in parsed.notes)]
            rows.append((entry.name, parsed.smiles, notation.kind, "; ".join(filter(None, notes))))
    return rows


def document() -> str:
    """Write the document."""
    parts = [
        "# What may be pasted",
        "",
        f"{len(CASES)} kinds of text, and how the page's box reads each. `python -m tests.pasted_inputs` writes this",
        "page; a test compares it with expectations that were written by hand. Before anything is predicted, the page",
        "shows what was understood.",
        "",
        "The order is kept, and nothing is dropped silently. A line is a molecule, a refusal with its reason, or",
        "listed as a heading, a comment, punctuation or empty.",
        "",
        "Names are looked up in a list that is installed with the service: B3DB's (CC0-1.0), as far as ChEMBL's drugs",
        "agree with it. No other service is asked.",
    ]
    for case in CASES:
        parts += ["", f"## {case.kind}", "", "```", *_shown(case.text), "```", ""]
        parts += ["| name | read as | predicted as, or refused | message |", "| --- | --- | --- | --- |"]
        for name, result, kind, message in became(case.text):
            what = f"refused: `{result}`" if result.replace("-", "").isalpha() and result.islower() else f"`{result}`"
            parts.append(f"| {_cell(name)} | {kind} | {_cell(what)} | {_cell(message)} |")
        paste = read_paste(case.text)
        if not paste.entries:
            parts = [*parts[:-2], "Nothing: it contains no molecule."]
        if paste.left_out or paste.notes:
            aside = [f"line {each.line}: {each.what}" for each in paste.left_out]
            parts += ["", "; ".join([*aside, *paste.notes]) + "."]
    return "\n".join(parts) + "\n"


def _shown(text: str) -> list[str]:
    names = {
        "\ufeff": "<BOM>",
        "\u00a0": "<hard blank>",
        "\u200b": "<invisible>",
        "\r": "<CR>",
        "\t": "<tab>",
        "\u2212": "<minus>",
    }
    for sign, name in names.items():
        text = text.replace(sign, name)
    lines = [line.rstrip() for line in text.split("\n")]
    return lines if len(lines) <= 14 else [*lines[:12], f"… {len(lines) - 12} more lines"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
