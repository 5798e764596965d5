"""What the name of a column says: a unit, a kind of measurement, or that it is none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from model_zoo.data.units import is_unit, unit_name

_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*(?:\([^()]*\))?[^()\[\]]*)[)\]]")
_IN_WORDS = re.compile(r"\s*(?:in )?\bmol(?:e?s)? per lit(?:re|er)\b", re.IGNORECASE)
_ENDING = re.compile(r"[ _.](fM|pM|nM|uM|µM|mM|[fpnuµm]mol[_/. ]?l|percent|pct|hr?)$", re.IGNORECASE)
_CONDITION = re.compile(r"(?<![A-Za-z0-9/.])\d+(?:[.,]\d+)?[ _.]*$")
"""A number before a unit at the end says under what was measured, as in `inhibition at 10 uM` and `viability 72 h`."""
_NO_CONDITION = re.compile(r"(?:\b|_)(?:pH[ _]?\d+(?:[._,]\d+)?|[IEAXG][CI] 50)[ _.]*$", re.IGNORECASE)
_PERCENT = re.compile(r"\s*(?:%|(?:percent|pct)(?![A-Za-z]))", re.IGNORECASE)
_PERCENT_OF = re.compile(
    r"(?:%|(?<![a-z])(?:percent|pct))[ _]*(?:remain|inhib|control|(?:un)?bound|free|recover|viab|activ|absor|effect)",
    re.IGNORECASE,
)
_RUN = re.compile(
    r"(?:[ _.(#-]+(?:rep(?:licate)?|run|exp(?:eriment)?|trial|measurement|n)?[ _.#=-]*)(\d)\)?$", re.IGNORECASE
)
_MOLAR = {"fm": "fM", "pm": "pM", "nm": "nM", "um": "uM", "µm": "uM", "mm": "mM", "m": "M"}
_LOGARITHM = re.compile(
    r"(?<![A-Za-z])(?:(?i:log|lg)[ _.]?\(?(?:10)?\)?(?![A-Za-z0-9])|(?i:log)10(?=[A-Za-z])|(?:log|Log|lg)(?=[A-Z])"
    r"|(?i:logarithm(?:ic)?|logged)(?![A-Za-z])|LOG(?=(?:S|D|P|K|BB|[IEAX]C50|GI50|KI|KD|PAPP)(?![A-Za-z])))"
)
"""The logarithm in a name: `log S`, `logS`, `LOGS`, `log.IC50`, and none in `catalog`, `Logan`, `LOGISTICS`."""
_NEGATIVE = re.compile(r"(?:^|[ _(\[])(?:- ?|neg(?:ative)?[ _.]+|minus[ _]+)(?:log|lg)(?:10)?", re.IGNORECASE)
_OTHER_BASE = re.compile(
    r"(?<![A-Za-z])(?:(?i:ln)(?=[ _.(\[]|$)|[lL]n(?=[A-Z])|(?i:log)[ _.]?\(?(?:2(?![0-9])|e(?![A-Za-z0-9]))"
    r"|(?i:natural[ _.]?log))"
)
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
_POTENCY = re.compile(r"(?<![a-z])(p?)(IC ?50|EC ?50|AC ?50|XC ?50|GI ?50|Ki|Kd|KB)(?![a-z])", re.IGNORECASE)
_NO_MEASUREMENT = re.compile(
    r"""(^|\b|_)(mw|mol(ecular)?_?w(eigh)?t|mass|a_?logp|c_?logp|x_?logp|m_?logp|tpsa|psa|hb[da]|h_bond|acceptors|donors
    |rotatable|rings?|heavy|atoms|qed|ro5|violations|lipinski|molregno|cid|sid|aid|tid|year|index|row|confidence|pubmed
    |doi|src|well|plate|batch|replicates?(?!_?\d)|count|n|std|stdev|sd|sem|se|err|error|hill|slope|r2|r_squared|ci|cv|predicted
    |pred|calc|calculated|estimated|simulated|passage|concentration|conc|dose|temperature|temp|min_degree|degree|url|id|ids|ligand_efficiency|bei|sei|lle|max_phase|duplicates?|flag|pubchem_activity_score
    |num|no|number|nr|nummer|lfd|vendor|cas|barcode|inchi|inchikey|formula|purity|upper_value|lower_value|polar_surface_area
    |c_?logd[\d_]*|x_?logp\d|s_?logp|mol_?logp|fsp3|fraction_?csp3|num(ber)?_?(h_?(acc|don)|rot|arom|aliph|hetero|ring)\w*
    |(chiral|stereo)_?(cent(er|re)|atom)s?|formal_charge|monoisotopic_?mass|exact_?mol_?wt|docking(_score)?|cns_mpo|mpo(_score)?
    |property_forecast_index|tanimoto|similarity|z_?(prime|factor)|curve_?class\d*|rsq|yield|prediction
    |([ieaxg][ci]_?50|k[id])_?(lower|upper|low|high|min|max))(\b|_|$)
    |^_*(le|lipe|fq|nh|top|bottom|column|run|m_z|charge|rank|lot|vial|position|week|priority|selected|signal|background|rfu|rlu
    |price|sp3|pfi|amount(_[munµ]?(g|mol|l))?)_*$""",
    re.IGNORECASE | re.VERBOSE,
)


def unit_in(name: str) -> tuple[str, str]:
    """Return the unit that is in a column's name, and the name without it; the unit is empty where there is none.

    Examples
    --------
    >>> unit_in("IC50 (nM)"), unit_in("LOG HLM_CLint (mL/min/kg)"), unit_in("PPB (HUMAN) (% unbound)")
    (('nM', 'IC50'), ('log10 mL/min/kg', 'LOG HLM_CLint'), ('%', 'PPB (HUMAN)'))
    >>> unit_in("pIC50"), unit_in("potency_uM"), unit_in("EC50 [log10(M)]"), unit_in("activity")
    (('pIC50', 'pIC50'), ('uM', 'potency'), ('log10 M', 'EC50'), ('', 'activity'))
    >>> unit_in("LogS (mol/L)"), unit_in("-log10 IC50 (M)")[0], unit_in("catalog (nM)")[0]
    (('log10 mol/L', 'LogS'), 'pIC50', 'nM')
    >>> unit_in("-log IC50 (nM)")[0], unit_in("ln k (1/s)")[0], unit_in("log2 IC50 (nM)")[0]  # none that is known here
    ('', '', '')
    >>> unit_in("inhibition at 10 uM")[0], unit_in("hERG % inhibition at 10 uM")[0], unit_in("log.IC50.nM")[0]
    ('', '%', 'log10 nM')
    """
    name = _plain(name)
    found, rest = "", name
    for bracket in reversed(list(_BRACKETS.finditer(name))):
        text = bracket[1].strip()
        if (unit := _unit_of(text)) or "/" in text:
            ratio = "ratio" if re.search(r"[A-Z]-?[A-Z]?/[A-Z]", text) else text
            found, rest = unit or ratio, name.replace(bracket[0], "")
            break
    if not found and (words := _IN_WORDS.search(name)):
        found, rest = "mol/L", name.replace(words[0], "")
    if not found and (match := _ENDING.search(name)) and not _is_condition(name[: match.start()]):
        written = re.sub(r"mol[_. ]?l$", "mol/L", match[1], flags=re.IGNORECASE)
        found, rest = _MOLAR.get(written.lower()) or _unit_of(written), name[: match.start()]
    if not found and (_PERCENT.match(name) or _PERCENT_OF.search(name)):
        found = "%"
    potency = _POTENCY.search(rest)
    if potency and potency[1]:
        return f"p{potency_kind(rest)}", rest.strip()
    if is_negative_logarithm(name):
        kind = potency_kind(_NEGATIVE.sub(" ", rest))
        return (f"p{kind}" if kind and found in ("", "M", "mol/L") else ""), rest.strip(" _")
    if _OTHER_BASE.search(rest):
        return "", rest.strip(" _")
    if found and _LOGARITHM.search(rest) and not found.startswith("log"):
        found = f"log10 {found}"
    return found, rest.strip(" _")


def is_negative_logarithm(name: str) -> bool:
    """Return whether a name says the logarithm with its sign turned.

    Examples
    --------
    >>> is_negative_logarithm("-logS"), is_negative_logarithm("logS")
    (True, False)
    """
    return bool(_NEGATIVE.search(_plain(name)))


def potency_kind(name: str) -> str:
    """Return the kind of potency that a name says, as `pIC50` writes it; empty where it says none.

    Examples
    --------
    >>> potency_kind("EGFR ic50"), potency_kind("pKi"), potency_kind("Kinetics")
    ('IC50', 'Ki', '')
    """
    match = _POTENCY.search(_plain(name).replace("_", " "))
    if not match:
        return ""
    kind = match[2].replace(" ", "")
    return kind.capitalize() if kind.lower() in ("ki", "kd") else kind.upper()


def is_potency_kind(text: str) -> bool:
    """Return whether a text is a kind of potency, and says nothing else.

    Examples
    --------
    >>> [is_potency_kind(text) for text in ("IC50", "Ki", "hERG IC50")]
    [True, True, False]
    """
    return bool(_POTENCY.fullmatch(_plain(text).strip()))


def is_no_measurement(name: str) -> bool:
    """Return whether a column's name excludes measurements: descriptors, numbers of things, errors.

    Examples
    --------
    >>> [is_no_measurement(name) for name in ("Molecular Weight", "IC50 SD", "IC50", "measured logS")]
    [True, True, False, False]
    """
    return bool(_NO_MEASUREMENT.search(re.sub(r"[^\w]+", "_", name))) or name.startswith("Unnamed")


def replicates_of(name: str, names: Sequence[str]) -> list[str]:
    """Return the other columns that may hold further runs of the same measurement: alike but for 1, 2, 3 at the end.

    Examples
    --------
    >>> replicates_of("IC50_1 (nM)", ["IC50_1 (nM)", "IC50_2 (nM)", "Ki_2 (nM)", "logS"])
    ['IC50_2 (nM)']
    >>> replicates_of("IC50", ["IC50", "IC50.1"]), replicates_of("logD 5", ["logD 5", "logD 7"])
    (['IC50.1'], [])
    """
    numbered = [(each, *_numbered(each)) for each in names]
    _, rest, _ = next(each for each in numbered if each[0] == name)
    alike = [(each, number) for each, other, number in numbered if other == rest]
    numbers = sorted(number for _, number in alike)
    runs = any(numbers == [*extra, *range(first, first + len(numbers) - len(extra))]
               for extra, first in (([], 1), ([0], 1), ([0], 2)))  # fmt: skip
    return [each for each, _ in alike if each != name] if runs else []


def _numbered(name: str) -> tuple[tuple[str, str], int]:
    """Return the unit and the words of a name, and the number at its end; 0 where there is none."""
    unit, words = unit_in(name)
    match = _RUN.search(words)
    return ((unit, words[: match.start()].lower()), int(match[1])) if match else ((unit, words.lower()), 0)


def _plain(name: str) -> str:
    """Write raised and lowered digits, hard blanks and dashes of a name in the one way that is known here."""
    return unicodedata.normalize("NFKC", name).replace("\u03bc", "µ").translate(_DASHES)


def _is_condition(text: str) -> bool:
    return bool(_CONDITION.search(text)) and not _NO_CONDITION.search(text)


def _unit_of(text: str) -> str:
    """Return a unit as it is known here; empty for a text that is none."""
    text = re.sub(r"^(log10|log|lg)\s*\(?\s*([^()]*?)\)?$", r"log10 \2", text.strip(), flags=re.IGNORECASE).strip()
    text = "%" if text.startswith("%") or text.lower() in ("percent", "pct") else text
    name = unit_name(text)
    if is_unit(name):
        return name
    return _MOLAR.get(name.lower(), "") if len(name) <= 2 and name != "M" else ""
