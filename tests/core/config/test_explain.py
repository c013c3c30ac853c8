"""Every kind of mistake is explained in words about the YAML, with path and place."""

from __future__ import annotations

import pytest

from tests.core.config.tenants import messages, one, yaml

CASES = [
    (
        "scheduel: '@daily'",
        5,
        "scheduel",
        "unknown key 'scheduel'; did you mean 'schedule'?",
    ),
    (
        "write: {mode: mrge}",
        19,
        "write.mode",
        "'mrge' is not known here; did you mean 'merge'?",
    ),
    (
        "write: {mode: merge}",
        12,
        "write",
        "merge needs a key: {mode: merge, key: [id]}",
    ),
    (
        "write: {mode: append, kee: [id]}",
        27,
        "write.kee",
        "unknown key 'kee'; did you mean 'key'?",
    ),
    (
        "write:",
        11,
        "write",
        "expected a mapping of keys to values, not nothing",
    ),
    (
        "table: 5",
        12,
        "table",
        "5 is read as a number; as a text it needs quotes",
    ),
    (
        "table: My Table",
        12,
        "table",
        "'My Table' is not a name: use a-z, 0-9 and _, beginning with a letter, at most "
        "63 characters",
    ),
    (
        "sla: {within: soon}",
        19,
        "sla.within",
        "'soon' is not a duration; write a number and ms, s, m, h, d or w",
    ),
    (
        "max_rejected: -1",
        19,
        "max_rejected",
        "-1 must be at least 0",
    ),
    (
        "priority: high",
        15,
        "priority",
        "expected a whole number, not 'high'",
    ),
    (
        "tags: one",
        11,
        "tags",
        "expected a list: [one, two], not 'one'",
    ),
    (
        "tags: [1]",
        12,
        "tags[0]",
        "1 is read as a number; as a text it needs quotes",
    ),
    (
        "schedule: '* * *'",
        15,
        "schedule",
        "a cron expression has five fields (minute, hour, day of month, month, day of "
        "week), '* * *' has 3",
    ),
    (
        "schedule: {cron: '@daily', timezone: Mars}",
        42,
        "schedule.timezone",
        "there is no time zone 'Mars'; write it as in Europe/Stockholm",
    ),
    (
        "quality: [{check: uniqe, columns: [a]}]",
        15,
        "quality[0]",
        "'uniqe' is not known here; did you mean 'unique'?",
    ),
    (
        "quality: [{columns: [a]}]",
        15,
        "quality[0]",
        "'check' is missing",
    ),
    (
        "quality: [{check: range, column: a}]",
        15,
        "quality[0]",
        "range needs min, max or both",
    ),
    (
        "quality: [{check: range, column: a, min: 1, mx: 2}]",
        49,
        "quality[0].mx",
        "unknown key 'mx'; did you mean 'max'?",
    ),
    (
        "quality: [{check: not_null, columns: []}]",
        42,
        "quality[0].columns",
        "a list must be at least 1 long",
    ),
    (
        "quality: [{check: regex, column: a, pattern: '('}]",
        50,
        "quality[0].pattern",
        "not a regular expression: missing ), unterminated subpattern at position 0",
    ),
    (
        "contract: {columns: {a: {type: strng}}}",
        36,
        "contract.columns.a.type",
        "'strng' is not a type; known: string, integer, bigint, double, boolean, date, "
        "timestamp, time, binary, json, decimal(18,2)",
    ),
    (
        "contract: {columns: {a: {pii: hsh}}}",
        35,
        "contract.columns.a.pii",
        "'hsh' is not known here; did you mean 'hash'?",
    ),
    (
        "contract: {columns: {a: {pii: {action: truncate}}}}",
        35,
        "contract.columns.a.pii",
        "truncate needs a length: {action: truncate, length: 3}",
    ),
]


@pytest.mark.parametrize(("line", "column", "path", "message"), CASES)
def test_a_wrong_line_of_an_import_is_explained(
    line: str, column: int, path: str, message: str
) -> None:
    assert messages(one(line)) == [f"8:{column}: imports.plays.{path}: {message}"]


def test_keys_that_come_from_names_are_no_keys_of_an_import() -> None:
    assert ["unknown key 'tenant'" in m for m in messages(one("tenant: other"))] == [True]


def test_unknown_and_missing_keys_of_a_source_are_explained_from_its_config() -> None:
    text = yaml("  plays:\n    source: {type: csv, pth: a.csv, delimiter: ';;'}\n")
    assert messages(text) == [
        "7:5: imports.plays.source.path: 'path' is missing",
        "7:25: imports.plays.source.pth: unknown key 'pth'; did you mean 'path'?",
        "7:48: imports.plays.source.delimiter: ';;' must be no longer than 1",
    ]


def test_an_unknown_source_is_answered_with_the_nearest_one() -> None:
    text = yaml("  plays:\n    source: {type: cvs, path: a.csv}\n")
    assert messages(text) == [
        "7:20: imports.plays.source.type: there is no source of type 'cvs'; did you mean 'csv'?"
    ]


def test_the_branches_of_a_union_give_one_message() -> None:
    (found,) = messages(one("quality: [{check: range, column: a, min: [1]}]"))
    assert found == (
        "8:46: imports.plays.quality[0].min: expected a number, not a list or expected a text, "
        "not a list"
    )


def test_a_long_value_is_cut_in_the_message() -> None:
    (found,) = messages(one(f"priority: {'x' * 500}"))
    assert len(found) < 150


def test_every_problem_of_a_file_is_reported_in_the_order_of_lines() -> None:
    text = one("prioritee: 1\nwrite: {mode: mrge}\nsla: {within: x}", more="ownr: x\n")
    assert [m.partition(": ")[0] for m in messages(text)] == ["5:1", "9:5", "10:19", "11:19"]
