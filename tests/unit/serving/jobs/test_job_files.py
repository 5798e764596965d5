"""What batch jobs make of files: every row in its place, whatever the file holds, and clear words for the rest."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_zoo.data.tables.guessing import TableOptions
from model_zoo.data.tables.reading import Table
from model_zoo.data.tables.row import Row
from model_zoo.data.tables.text import MAX_ROW_CHARACTERS
from serving.http.problems import ProblemError
from serving.job_settings import JobSettings
from serving.jobs.folder import JobFolder
from serving.jobs.intake import Received, _chunk_rows, unpack
from serving.jobs.reading import understand

BLOCK = (
    "ethanol\n  made by hand\n\n  3  2  0  0  0  0            999 V2000\n"
    "    0.0000    0.0000    0.0000 C   0  0\n    1.5000    0.0000    0.0000 C   0  0\n"
    "    2.2500    1.2990    0.0000 O   0  0\n  1  2  1  0\n  2  3  1  0\nM  END\n"
)


def read(tmp_path: Path, content: bytes, max_bytes: int = 10_000_000, **options: Any) -> tuple[Table, list[Row]]:
    """Understand a file and read it to its end."""
    path = tmp_path / "upload"
    path.write_bytes(content)
    table = understand(path, TableOptions(**options), max_bytes)
    return table, list(table.rows())


def refused(tmp_path: Path, content: bytes, **options: Any) -> ProblemError:
    """Read a file that is refused."""
    with pytest.raises(ProblemError) as caught:
        read(tmp_path, content, **options)
    return caught.value


@pytest.mark.parametrize(
    ("content", "columns", "structures"),
    [
        (b"smiles,id\nCCO,1\nCCN,2\n", ("smiles", "id"), ["CCO", "CCN"]),
        (b"\xef\xbb\xbfid,SMILES\r\n1,CCO\r\n2,CCN\r\n", ("id", "SMILES"), ["CCO", "CCN"]),
        (b"id;Canonical SMILES;logP\n1;CCO;-0,1\n2;CCN;0,2\n", ("id", "Canonical SMILES", "logP"), ["CCO", "CCN"]),
        (b"id\tsmiles\n1\tCCO\n", ("id", "smiles"), ["CCO"]),
        (b"id|smiles\n1|CCO\n", ("id", "smiles"), ["CCO"]),
        (b"smiles\rCCO\rCCN\r", ("smiles",), ["CCO", "CCN"]),
        ('smiles,name\nCCO,"Äthyl\nalkohol"\n'.encode("cp1252"), ("smiles", "name"), ["CCO"]),
        ("smiles,name\nCCO,Äthyl\n".encode("utf-16"), ("smiles", "name"), ["CCO"]),
        (b"c1ccccc1O,phenol,94.1\nCC(=O)O,acid,60.0\n", ("column_1", "column_2", "column_3"), ["c1ccccc1O", "CC(=O)O"]),
        (b"name,drawing\nphenol,c1ccccc1O\nacid,CC(=O)O\n", ("name", "drawing"), ["c1ccccc1O", "CC(=O)O"]),
        (b"smiles,note,note\nCCO,a,b\n", ("smiles", "note", "note_2"), ["CCO"]),
        (b"smiles,a\nCCO\nCCN,1\n", ("smiles", "a"), ["CCO", "CCN"]),
        (gzip.compress(b"smiles\nCCO\n", mtime=0), ("smiles",), ["CCO"]),
    ],
    ids=[
        "plain", "byte-order-mark", "semicolons", "tabs", "pipes", "old-mac", "windows", "utf-16", "no-header",
        "guessed-by-content", "same-name-twice", "short-row", "gzip",
    ],
)  # fmt: skip
def test_tables_are_understood(tmp_path: Path, content: bytes, columns: tuple[str, ...], structures: list[str]) -> None:
    """Delimiter, header, encoding and the column of structures are found by themselves."""
    table, rows = read(tmp_path, content, name="x.csv" if b"\t" not in content else "x.tsv")

    assert table.columns == columns
    assert [row.structure for row in rows] == structures
    assert all(len(row.cells) == len(columns) for row in rows)


def test_text_survives_its_encoding(tmp_path: Path) -> None:
    """A file of an older Windows program keeps its letters, and the job can say how it was read."""
    table, rows = read(tmp_path, 'smiles,name\nCCO,"Äthyl\nalkohol"\n'.encode("cp1252"))

    assert table.encoding == "cp1252"
    assert rows[0].cells == ["CCO", "Äthyl\nalkohol"]


def test_blank_lines_between_rows_are_rows(tmp_path: Path) -> None:
    """A result can be laid beside its file; blank lines at the end are no rows."""
    _, rows = read(tmp_path, b"smiles\nCCO\n\nCCN\n\n\n", name="x.csv")
    _, lines = read(tmp_path, b"CCO one\n\n  CCN  two words\n\n", name="x.smi")

    assert [row.cells for row in rows] == [["CCO"], [""], ["CCN"]]
    assert [row.cells for row in lines] == [["CCO", "one"], ["", ""], ["CCN", "two words"]]


def test_a_row_with_too_many_cells_fails_alone(tmp_path: Path) -> None:
    """A row that is shifted somewhere is not predicted by what is in the wrong column."""
    _, rows = read(tmp_path, b"smiles,name\nCCO,a,b\nCCN,c\n")

    assert [row.fault and row.fault[0] for row in rows] == ["ragged-row", None]
    assert rows[0].cells == ["CCO", "a"]


@pytest.mark.parametrize(
    ("content", "options", "code", "says"),
    [
        (b"", {}, "unreadable-upload", "empty file"),
        (b"\n\n \n", {}, "unreadable-upload", "empty file"),
        (b"\x00\x01\x02\xff" * 100, {}, "unreadable-upload", "binary"),
        (b"PK\x03\x04 and so on", {}, "unreadable-upload", "save it as CSV"),
        (b"CCO\n", {"name": "x.xlsx"}, "unreadable-upload", "save it as CSV"),
        (gzip.compress(b"smiles\nCCO\n", mtime=0)[:-9], {}, "unreadable-upload", "not a whole gzip file"),
        (b"\x1f\x8b junk", {}, "unreadable-upload", "not a whole gzip file"),
        (b'smiles,a\n"CCO,b\nCCN,c\n', {"name": "x.csv"}, "unreadable-upload", "line 3"),
        (b"a,b\n1,2\n", {}, "unclear-column", "'a', 'b'; none of them"),
        (b"smiles_a,smiles_b\nCCCCO,CCCCN\n", {}, "unclear-column", "more than one"),
        (b"smiles,b\nCCO,2\n", {"column": "drawing"}, "unclear-column", "expected one of 'smiles', 'b', got 'drawing'"),
        (b"CCO\n", {"format": "xyz"}, "invalid-request", "expected one of csv, tsv, smi, sdf"),
        (b"smiles\nCCO\n", {"delimiter": "comma, of course"}, "invalid-request", "delimiter"),
        (b"smiles," + b"," * 1001 + b"\nCCO\n", {"name": "x.csv"}, "unreadable-upload", "at most 1000 columns"),
        (b"smiles\n" + b"C" * (MAX_ROW_CHARACTERS + 1), {"name": "x.csv"}, "unreadable-upload", "lines of at most"),
        (b'smiles\n"' + b"C\n" * 100_000, {"name": "x.csv"}, "unreadable-upload", "field larger than field limit"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_clear_words(
    tmp_path: Path, content: bytes, options: dict[str, Any], code: str, says: str
) -> None:
    """A file that is no table of molecules is refused whole, with what was expected and what came."""
    error = refused(tmp_path, content, **options)

    assert error.code == code
    assert says in error.detail


def test_a_packed_file_cannot_fill_the_disk(tmp_path: Path) -> None:
    """The bound on the unpacked size holds, however small the file was when it was sent."""
    bomb = gzip.compress(b"smiles\n" + b"CCO\n" * 1_000_000)
    assert len(bomb) < 20_000

    assert refused(tmp_path, bomb, max_bytes=1_000_000).code == "body-too-large"


def test_an_sdf_keeps_its_properties_and_its_broken_records(tmp_path: Path) -> None:
    """Each record is a row with every property of the file as a column; a broken one keeps its place and properties."""
    content = (
        f"{BLOCK}> <ID>\n1\n\n>  25 <note> (x)\ntwo\nlines\n\n$$$$\n"
        "broken\n\n\nnonsense\n> <ID>\n2\n\n$$$$\n"
        f"{BLOCK}> <title>\nmine\n\n> <ID>\n3\n\n> <ID>\n4\n"
    )
    table, rows = read(tmp_path, content.encode(), name="x.sdf")

    assert table.columns == ("title", "ID", "note", "title_2", "ID_2")
    assert table.smiles_column is None
    assert [row.cells for row in rows] == [
        ["ethanol", "1", "two\nlines", "", ""],
        ["broken", "2", "", "", ""],
        ["ethanol", "3", "", "mine", "4"],
    ]
    assert rows[0].structure == BLOCK
    assert [row.fault and row.fault[0] for row in rows] == [None, "invalid-structure", None]


def test_a_record_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    """A record of a million characters fails alone."""
    content = f"{BLOCK}$$$$\n" + "x" * 79 + "\n"
    content += ("y" * 79 + "\n") * (MAX_ROW_CHARACTERS // 80) + f"$$$$\n{BLOCK}$$$$\n"
    _, rows = read(tmp_path, content.encode(), name="x.sdf")

    assert [row.fault and row.fault[0] for row in rows] == [None, "invalid-structure", None]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=20), size=st.integers(1, 7))
def test_rows_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], size: int) -> None:
    """Whatever the cells hold, chunks give back every row, in order, cell by cell."""
    folder = JobFolder(tmp_path_factory.mktemp("job"), "j")
    folder.make()
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerows([("smiles", "a", "b"), *rows])
    folder.upload.write_bytes(buffer.getvalue().encode())
    options = TableOptions(format="csv", delimiter="comma", header=True)
    plan, total, _ = unpack(Received("", options, None), folder, JobSettings(chunk_rows=size))
    got = [row for number in range(-(-total // size)) for row in folder.read_rows(number)]

    assert plan.columns == ("smiles", "a", "b")
    assert [tuple(row.cells) for row in got] == rows
    assert not folder.upload.exists()


def test_more_rows_than_allowed_are_refused(tmp_path: Path) -> None:
    """A job has at most as many rows as the setting says."""
    folder = JobFolder(tmp_path, "j")
    folder.make()
    folder.upload.write_bytes(b"smiles\n" + b"CCO\n" * 11)

    with pytest.raises(ProblemError, match="at most 10 molecules"):
        unpack(Received("", TableOptions(), None), folder, JobSettings(max_rows=10))


@pytest.mark.parametrize(("size", "chunk"), [(1_000, 25), (1_000_000, 50), (100_000_000, 5_000)])
def test_a_small_job_has_small_chunks(tmp_path: Path, size: int, chunk: int) -> None:
    """Progress of a few hundred rows can be followed; a million rows do not make a file for every few."""
    folder = JobFolder(tmp_path, "j")
    folder.make()
    with folder.upload.open("wb") as stream:
        stream.truncate(size)

    assert _chunk_rows(Received("", TableOptions()), folder) == chunk


@pytest.mark.parametrize(
    ("content", "columns", "structures"),
    [
        (b"CC,ethane\nCCO,ethanol\nCCCO,propanol\n", 2, ["CC", "CCO", "CCCO"]),
        (b"C\nCCO\nCCCO\n", 1, ["C", "CCO", "CCCO"]),
        (b"A1,CC(C,1.5\nA2,CCO,2\nA3,CCCO,3\n", 3, ["CC(C", "CCO", "CCCO"]),
        (b"CC(=O)Oc1ccccc1;1,5\nCCOCC;2,5\n", 2, ["CC(=O)Oc1ccccc1", "CCOCC"]),
    ],
    ids=["short", "a column alone", "wrong", "decimal commas"],
)
def test_the_first_molecule_of_a_file_without_a_header_is_a_row(
    tmp_path: Path, content: bytes, columns: int, structures: list[str]
) -> None:
    """However short or wrong it is: taken for a header it would be lost."""
    table, rows = read(tmp_path, content, name="a.csv")
    assert table.columns == tuple(f"column_{place}" for place in range(1, columns + 1))
    assert [row.structure for row in rows] == structures


def test_a_header_whose_names_read_as_structures_is_one(tmp_path: Path) -> None:
    """`BBB` and `CNS` are SMILES, but not where the structures are."""
    table, rows = read(tmp_path, b"Compound,BBB,CNS\nCCCCO,1,2\nCCCCN,3,4\n", name="a.csv")
    assert (table.columns, table.smiles_column) == (("Compound", "BBB", "CNS"), "Compound")
    assert len(rows) == 2


def test_a_column_of_names_does_not_hide_the_structures(tmp_path: Path) -> None:
    """`Molecule` often names them; where it holds structures itself, it stays the column."""
    names, _ = read(tmp_path, b"Molecule,SMILES string\nCPD-1,CCO\nCPD-2,CCN\n", name="a.csv")
    both, _ = read(tmp_path, b"Molecule,scaffold_smiles\nCCCCO,C\nCCCCN,C\n", name="a.csv")
    assert (names.smiles_column, both.smiles_column) == ("SMILES string", "Molecule")


def test_empty_cells_behind_the_last_column_are_no_cells(tmp_path: Path) -> None:
    """Spreadsheets write delimiters for columns that were once used."""
    _, rows = read(tmp_path, b"id,smiles\n1,CCO,,\n2,CCN,,x\n", name="a.csv")
    assert [(row.cells, row.fault and row.fault[0]) for row in rows] == [
        (["1", "CCO"], None), (["2", "CCN"], "ragged-row"),
    ]  # fmt: skip


def test_a_separator_that_is_missing_joins_no_molecules(tmp_path: Path) -> None:
    """Only the first of two structures would be read, with values of both."""
    value = ">  <IC50>\n{}\n\n"
    content = BLOCK + value.format(1.5) + BLOCK + value.format(2) + "$$$$\n" + BLOCK + "$$$$\n"
    _, rows = read(tmp_path, content.encode(), name="a.sdf")
    assert [row.structure for row in rows] == ["", BLOCK]
    assert rows[0].fault == (
        "invalid-structure", "expected one structure block, got 2: put a line $$$$ between two molecules",
    )  # fmt: skip


def test_a_first_line_longer_than_what_is_looked_at_is_refused(tmp_path: Path) -> None:
    """Its last columns would be lost; other line ends and long cells are no such line."""
    header = ",".join(["smiles", *(f"{at}{'x' * 90}" for at in range(800))])
    assert "first line of at most" in refused(tmp_path, f"{header}\nCCO\n".encode(), name="a.csv").detail
    _, rows = read(tmp_path, ("smiles,x\r" + f"CCO,{'y' * 5000}\r" * 30).encode(), name="a.csv")
    assert [row.structure for row in rows] == ["CCO"] * 30


@pytest.mark.parametrize(
    "above",
    [
        "sep=;\r\n",
        "sep=;\n",
        "Results of May\n",
        "Results of May\n\nmade by the laboratory\n",
        "Results;;\n;;\n",
        "\n\n",
    ],
)
def test_what_is_above_a_header_is_no_molecule(tmp_path: Path, above: str) -> None:
    """Excel's line with the separator, titles and notes: the columns and rows are those of the file without them."""
    table, rows = read(tmp_path, f"{above}SMILES;name;logP\nCC;ethane;1,8\nCCO;ethanol;-0,3\n".encode(), name="a.csv")

    assert table.columns == ("SMILES", "name", "logP")
    assert [row.structure for row in rows] == ["CC", "CCO"]
    assert rows[1].cells == ["CCO", "ethanol", "-0,3"]


def test_what_is_above_a_header_in_a_sheet_is_no_molecule(tmp_path: Path) -> None:
    """A title, an empty row and the header, as workbooks have them."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [["Results of May"], [], ["ID", "SMILES"], ["a", "CC"], [], ["b", "CCO"]]:
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    table, rows = read(tmp_path, content.getvalue())

    assert table.columns == ("ID", "SMILES")
    assert [row.structure for row in rows] == ["CC", "", "CCO"]


@pytest.mark.parametrize("declared", ["sep=;\n", "sep=,\r\n", "sep=\t\n", '"sep=;"\n'])
def test_a_declared_separator_counts_without_a_header_too(tmp_path: Path, declared: str) -> None:
    """The first molecule is the row below it."""
    cut = declared.strip('"\r\n')[-1]
    table, rows = read(tmp_path, f"{declared}CCOC{cut}5.1\nCCNC{cut}6.2\n".encode())

    assert (table.columns[0], [row.structure for row in rows]) == ("column_1", ["CCOC", "CCNC"])


def test_a_molecule_above_a_row_like_a_header_stays(tmp_path: Path) -> None:
    """A remark that says `SMILES`, or a molecule called so, makes no header of a row, and no title of those above."""
    _, rows = read(tmp_path, b"CC,first\nCCO,SMILES unclear\nCCN,molecule\nCCCC,last\n")

    assert [row.structure for row in rows] == ["CC", "CCO", "CCN", "CCCC"]


@pytest.mark.parametrize("header", [None, True])
@pytest.mark.parametrize(
    "content",
    [
        b"Results\nSMILES\nCC\nCCO\n",
        b"Structure;;\nID;SMILES;pIC50\na;CC;5\nb;CCO;6\n",
        b"Structure\nID,SMILES\na,CC\nb,CCO\n",
    ],
)
def test_a_title_is_no_header_though_it_is_one_word(tmp_path: Path, content: bytes, header: bool | None) -> None:
    """Above one column or several, and whether the caller says that there is a header or not."""
    table, rows = read(tmp_path, content, name="a.csv", header=header)

    assert (table.smiles_column, [row.structure for row in rows]) == ("SMILES", ["CC", "CCO"])


@pytest.mark.parametrize("rest", ["\nCCCCO", "\nCCCCO,ordered\nCCCCN,", "\nCC,x\nCCN,y"])
@pytest.mark.parametrize("remark", ["SMILES unclear", "not the SMILES of May", "canonical smiles?"])
def test_a_remark_on_the_first_molecule_makes_no_header(tmp_path: Path, remark: str, rest: str) -> None:
    """It was taken for the title of the column of structures: the molecule was lost, and no other was read."""
    content = f"CCOCC,{remark}{rest}\n"
    if "," not in rest:
        content = content.replace(",", " ")  # a name after a blank
    _, rows = read(tmp_path, content.encode(), name="a.csv")

    expected = [line.replace(",", " ").split()[0] for line in content.splitlines()]
    assert [row.structure.split()[0] for row in rows] == expected


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.smi", "a.txt", None])
@pytest.mark.parametrize(
    "content", ["CCO ethanol\nCCN amine", "c1ccccc1O A-1\nCCCCN A-2\nCCCC", "A-1 CCCCO\nA-2 CCCCN", "CCCCO 5.1"]
)
def test_structures_and_names_are_lines_whatever_the_file_is_called(
    tmp_path: Path, name: str | None, content: str
) -> None:
    """As a table of one column their first molecule was its title."""
    _, rows = read(tmp_path, content.encode(), name=name)
    swapped = content.startswith("A-1")

    assert [row.structure for row in rows] == [line.split()[-swapped] for line in content.splitlines()]


def test_structures_and_names_in_one_column_of_a_sheet_lose_none(tmp_path: Path) -> None:
    """A sheet has no lines: the first cell is a molecule all the same."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for cell in ("CCO ethanol", "CCN amine", "CCCC butane"):
        sheet.append([cell])
    content = io.BytesIO()
    book.save(content)
    _, rows = read(tmp_path, content.getvalue())

    assert [row.structure.split()[0] for row in rows] == ["CCO", "CCN", "CCCC"]


@pytest.mark.parametrize(
    ("content", "columns", "structures"),
    [
        (b",first\nCCOC,second\nCCNC,third\n", ("column_1", "column_2"), ["", "CCOC", "CCNC"]),
        (b"a,,5.1\nb,CCOC,6.2\nc,CCNC,7.3\n", ("column_1", "column_2", "column_3"), ["", "CCOC", "CCNC"]),
        (b"ID,,pIC50\nb,CCOC,6.2\nc,CCNC,>7\n", ("ID", "column_2", "pIC50"), ["CCOC", "CCNC"]),
    ],
)
def test_a_first_row_without_a_structure_is_a_row_unless_it_names_numbers(
    tmp_path: Path, content: bytes, columns: tuple[str, ...], structures: list[str]
) -> None:
    """A compound that is not drawn yet takes its place; a header may leave the column of structures without a name."""
    table, rows = read(tmp_path, content)

    assert (table.columns, [row.structure for row in rows]) == (columns, structures)
