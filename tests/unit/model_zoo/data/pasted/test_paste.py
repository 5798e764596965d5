"""What is understood of a pasted text: every kind of input, nothing dropped, nothing invented."""

from __future__ import annotations

import random

import pytest
from rdkit import Chem

from model_zoo.data.pasted.paste import read_paste
from tests.pasted_inputs import ASPIRIN, CASES, DOCUMENT, Case, became, document


def same(got: str, expected: str) -> bool:
    """Compare two structures, or two codes."""
    mols = [Chem.MolFromSmiles(text) for text in (got, expected)]
    if None in mols:
        return got == expected
    first, second = (Chem.MolToInchiKey(mol) for mol in mols)  # type: ignore[no-untyped-call]
    return bool(first == second)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_every_kind_of_text_becomes_what_it_must(case: Case) -> None:
    """Each molecule is read under its name, or refused by its code, in order."""
    rows = became(case.text)

    assert [name for name, *_ in rows] == [name for name, _ in case.becomes], rows
    assert all(same(got, want) for (_, got, *_), (_, want) in zip(rows, case.becomes, strict=True)), rows
    assert all(message for _, got, _, message in rows if got.islower() and "-" in got)
    assert len(read_paste(case.text).left_out) == case.lines


def test_no_line_is_lost() -> None:
    """Whatever is put together, every line is an entry, listed as something else, or empty; entries keep the order."""
    generator = random.Random(7)
    plain = [
        case.text for case in CASES if "\n\n" not in case.text and "V2000" not in case.text and "V3000" not in case.text
    ]
    lines = [
        line for text in plain for line in text.split("\n") if line[:1] not in ("<", "{", ">") and "\r" not in line
    ]
    for _ in range(150):
        chosen = generator.choices(lines, k=generator.randint(1, 12))
        paste = read_paste("\n".join(chosen))
        accounted = {entry.line for entry in paste.entries} | {each.line for each in paste.left_out}

        assert len(accounted) + paste.empty == len(chosen), chosen
        assert [entry.line for entry in paste.entries] == sorted(entry.line for entry in paste.entries)


def test_a_table_gives_the_same_molecules_whatever_its_delimiter_and_order() -> None:
    """Columns may be in any order, under any delimiter, quoted or not, with a header or without."""
    rows = [("A-1", "180.2", ASPIRIN), ("A-2", "46.1", "CCO"), ("A-3", "78.1", "c1ccccc1")]
    expected = [(name, smiles) for name, _, smiles in rows]
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        for delimiter in "\t;,|":
            for quote in ('"', ""):
                for header in ((), (("ID", "MW", "Smiles"),)):
                    text = "\n".join(
                        delimiter.join(f"{quote}{row[place]}{quote}" for place in order) for row in (*header, *rows)
                    )
                    read = [(entry.name, entry.notation.smiles) for entry in read_paste(text).entries]
                    assert read == expected, text


def test_no_text_breaks_the_reader() -> None:
    """Random signs, cut blocks and bytes that are no text give entries, never an exception."""
    generator = random.Random(3)
    whole = "\n".join(case.text for case in CASES)
    for _ in range(120):
        start = generator.randrange(len(whole))
        text = list(whole[start : start + generator.randint(1, 300)])
        for _ in range(generator.randint(0, 8)):
            text[generator.randrange(len(text))] = generator.choice("\n\t,;|\"'>#$%[](){}<\0\u2028é漢")
        paste = read_paste("".join(text))
        assert all(
            entry.notation.is_structure or (entry.notation.code and entry.notation.detail) for entry in paste.entries
        )


def test_long_texts_of_few_signs_are_answered() -> None:
    """No text of brackets, digits, letters or delimiters takes time without end: a rule that tries all ways would."""
    for sign in ("[", "]", "[]", "C1", "(", "[C", "a", "A1", "-", " ", ",", "1.", "Ala-", ">", '"', "\t", "R1", "#"):
        for end in ("", "!", " x"):
            read_paste(sign * 800 + end)
            read_paste("\n".join([f"{sign * 30}{end}"] * 20))


def test_the_document_is_what_the_reader_does() -> None:
    """`python -m tests.pasted_inputs` has been run."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()
