"""Whether two records of a trained model differ only in how its snapshot is made.

Then models that were trained on one snapshot are those of the other, if both hold the same: how a file is read may
change without a change of what is read. Whether the snapshots hold the same, their data versions say.
"""

from __future__ import annotations

from collections.abc import Mapping

from model_zoo.provenance.roots import PROCEDURES
from model_zoo.provenance.signature_record import SignatureRecord

MAKING = tuple(PROCEDURES["dataset"])


def differ_only_in_the_making_of_data(
    before: SignatureRecord, after: SignatureRecord, training_libraries: Mapping[str, str]
) -> bool:
    """Return whether two records agree in everything but the code, configuration and files of the snapshot.

    Parameters
    ----------
    before, after
        Records of a trained model.
    training_libraries
        Versions of the libraries that training reaches without the making of the snapshot, by the code of `after`.

    Examples
    --------
    >>> one = SignatureRecord(code={"make_dataset": "1", "train": "2"}, data={"a": "1"})
    >>> other = one.model_copy(update={"code": {"make_dataset": "3", "train": "2"}, "data": {"a": "2"}})
    >>> differ_only_in_the_making_of_data(one, other, {}), differ_only_in_the_making_of_data(one, one, {"numpy": "2"})
    (True, False)
    """

    def rest(record: SignatureRecord) -> tuple[object, ...]:
        code = {name: digest for name, digest in record.code.items() if name not in MAKING}
        config = {name: part for name, part in record.config.items() if name != "dataset"}
        return code, config, record.upstream

    same = all(before.library.get(name) == version for name, version in training_libraries.items())
    return same and rest(before) == rest(after)
