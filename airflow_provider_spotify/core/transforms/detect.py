"""Looks for personal data in columns that do not declare it, by sampling."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.transforms.arrow_types import is_text

_FIRST_VALUES = 1_000
_LATER_EVERY = 50
_LATER_VALUES = 100
_MIN_FOUND = 3
_MIN_SHARE = 0.05
_MIN_VALID_CARDS = 0.5

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![\w@-])")
_IPV4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_IPV6 = re.compile(r"[0-9A-Fa-f:]{6,39}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?")
_CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
_CARD_ISSUER = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6(?:011|4[4-9]\d|5\d\d)\d{12}"
    r"|35\d{14}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14,17}"
)
_PHONE_ABROAD = re.compile(r"(?:\+|00)[1-9](?:[ ./()-]{0,2}\d){7,14}")
_PHONE_HOME = re.compile(r"\(?\d{2,5}\)?[ /-]{1,2}\d{2,4}(?:[ -]\d{2,4}){1,4}|\d{3}\.\d{3}\.\d{4}")
_DATE = re.compile(r"\d{4}([-/. ])\d{1,2}\1\d{1,2}.*|\d{1,2}([-/. ])\d{1,2}\2\d{4}.*|97[89][ -].*")


def kind_of(text: str) -> str | None:
    """Return what personal data a text looks like: e-mail, phone, ip, iban or card; None if none.

    The checksums of IBAN (ISO 13616, mod 97) and card numbers (Luhn, ISO/IEC 7812) must be right.
    """
    if "@" in text:
        return "e-mail" if _EMAIL.search(text) else None
    text = text.strip()
    if not 7 <= len(text) <= 42:
        return None
    if _IBAN.fullmatch(text):
        return "iban" if _is_iban(text) else None
    if not (text[0] in "+(:" or text[0].isalnum()) or not re.search(r"[0-9:]", text):
        return None
    if _CARD.fullmatch(text) and _is_card(text):
        return "card"
    if _is_ip(text):
        return "ip"
    return "phone" if _is_phone(text) else None


def _is_iban(text: str) -> bool:
    raw = text.replace(" ", "")
    turned = raw[4:] + raw[:4]
    return 15 <= len(raw) <= 34 and int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    if not _CARD_ISSUER.fullmatch(digits) or len(set(digits)) < 2:
        return False
    doubled = (int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits)))
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _is_ip(text: str) -> bool:
    """Tell addresses from versions: ``1.2.3.4`` is a version, ``203.0.113.9`` an address."""
    if _IPV4.fullmatch(text):
        octets = [int(part) for part in text.split(".")]
        return max(octets) <= 255 and sum(part >= 20 for part in octets) >= 2
    if _IPV6.fullmatch(text) is None or text.count(":") < 2:
        return False
    try:
        return ipaddress.IPv6Address(text).is_global
    except ValueError:
        return False


def _is_phone(text: str) -> bool:
    """Tell phone numbers from dates, ISBNs, ids and decimals: they have a plus, or groups."""
    if _PHONE_ABROAD.fullmatch(text):
        return text[0] == "+" and text.count(".") != 1
    digits = sum(c.isdigit() for c in text)
    if not 9 <= digits <= 13 or _PHONE_HOME.fullmatch(text) is None or _DATE.fullmatch(text):
        return False
    groups = re.findall(r"\d+", text)
    return (
        len(groups) >= 3
        and len({len(group) for group in groups[:-1]} | {0}) >= 2
        and (not all(len(group) == 4 for group in groups))
    )


@dataclass
class _Sample:
    values: int = 0
    cards: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


class Detector:
    """Samples text columns: the first 1,000 values of each, then 100 of every 50th batch.

    A kind is found in a column when at least 5 % of the sample, and at least 3 values, look like
    it. Card numbers must also be most of what has their length: one number in ten passes Luhn's
    check by chance. Text inside nested values is not looked at, and no value is ever kept.

    :param declared: columns that declare ``pii``, by their names in the table
    """

    def __init__(self, declared: set[str]) -> None:
        self._declared = declared
        self._samples: dict[str, _Sample] = {}
        self._batches = 0

    def observe(self, batch: pa.RecordBatch) -> None:
        """Sample one batch of contract output, before privacy."""
        later = self._batches % _LATER_EVERY == 0
        self._batches += 1
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name in self._declared or not is_text(column.type):
                continue
            sample = self._samples.setdefault(name, _Sample())
            wanted = _FIRST_VALUES - sample.values if sample.values < _FIRST_VALUES else 0
            if wanted or later:
                _look(sample, column, wanted or _LATER_VALUES)

    @property
    def found(self) -> dict[str, str]:
        """The columns that look personal, and what they look like."""
        kinds = {name: _verdict(sample) for name, sample in self._samples.items()}
        return {name: kind for name, kind in kinds.items() if kind is not None}


def _look(sample: _Sample, column: pa.Array, wanted: int) -> None:
    present = column.drop_null()
    if len(present) > wanted:  # evenly spaced, so that a sorted batch is seen as a whole
        step = len(present) / wanted
        present = present.take(pa.array([int(i * step) for i in range(wanted)], pa.int64()))
    for text in pc.utf8_slice_codeunits(present, 0, 200).to_pylist():
        sample.values += 1
        sample.cards += _CARD.fullmatch(text) is not None
        kind = kind_of(text)
        if kind is not None:
            sample.kinds[kind] += 1


def _verdict(sample: _Sample) -> str | None:
    for kind, count in sample.kinds.most_common():
        enough = count >= _MIN_FOUND and count >= _MIN_SHARE * sample.values
        if enough and (kind != "card" or count >= _MIN_VALID_CARDS * sample.cards):
            return kind
    return None
