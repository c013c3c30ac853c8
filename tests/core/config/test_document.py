"""The reader of YAML keeps places, and leaves out the traps of YAML 1.1."""

from __future__ import annotations

import pytest

from airflow_provider_spotify.core.config.document import MAX_DEPTH, Position, read


def said(text: str) -> list[str]:
    return [str(problem) for problem in read(text, file="t.yaml").problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("007", "007"),
        ("1_000", 1000),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e5", "1e5"),
        ("1.10.1", "1.10.1"),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("$HOME", "$HOME"),
        ("${TOKEN}", "${TOKEN}"),
    ],
)
def test_a_plain_scalar_is_read_as_people_mean_it(text: str, value: object) -> None:
    assert read(f"key: {text}", file="t.yaml").data["key"] == value


def test_the_key_on_is_a_word_and_not_a_truth_value() -> None:
    assert read("on: [failure]", file="t.yaml").data == {"on": ["failure"]}


def test_keys_and_values_remember_line_and_column_counted_from_one() -> None:
    document = read("a:\n  b: [1,\n    2]\n", file="t.yaml")
    assert document.follow(("a", "b")).key == Position(2, 3)
    assert document.follow(("a", "b")).node.position == Position(2, 6)
    assert document.follow(("a", "b", 1)).node.position == Position(3, 5)
    assert document.follow(("a", "x", "y")).depth == 1


def test_a_duplicate_key_is_reported_with_the_line_of_the_first() -> None:
    assert said("a: 1\nb: 2\na: 3\n") == ["t.yaml:3:1: 'a' is given twice; first on line 1"]


def test_anchors_and_merge_keys_work_and_own_keys_win() -> None:
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo: {<<: [*base, {c: 4}]}\n"
    document = read(text, file="t.yaml")
    assert document.problems == ()
    assert document.data["one"] == {"a": 1, "b": 3}
    assert document.data["two"] == {"a": 1, "b": 2, "c": 4}
    assert document.follow(("one", "a")).key == Position(1, 14)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: !!python/object/apply:os.system ls", "1:4", "tag !!python/object/apply:os.system"),
        ("a: !env HOME", "1:4", "the tag !env is not allowed"),
        ("1: x", "1:1", "the key '1' is read as a number"),
        ("true: x", "1:1", "the key 'true' is read as true or false"),
        ("[a]: x", "1:1", "a key must be text"),
        ("a: */10 * * * *", "1:5", 'schedule: "*/10 * * * *"'),
        ("a: @daily", "1:4", 'schedule: "@daily"'),
        ("a: *gone", "1:4", "*gone repeats an anchor"),
        ("a: &a [*a]", "1:8", "*a repeats an anchor"),
        ("a:\n\t- b", "2:1", "there is a tab"),
        ("a: b: c", "1:5", "needs quotes"),
        ("a: 1\n---\nb: 2", "2:1", "a second document"),
        ("", "1:1", "the file is empty"),
        ("- a", "1:1", "the file must be a mapping"),
        ("a: [1\nb: 2", "2:2", "not YAML"),
        ("a: \x00", "1:1", "a character that YAML forbids"),
        ("a: {<<: 3}", "1:5", "<< takes an alias of a mapping"),
    ],
)
def test_what_is_not_good_yaml_is_reported_with_its_place(
    text: str, place: str, words: str
) -> None:
    (line,) = said(text)
    assert line.startswith(f"t.yaml:{place}: ")
    assert words in line


@pytest.mark.parametrize("opening", ["[", "- ", "{a: "])
def test_deep_nesting_is_refused_instead_of_crashing_the_process(opening: str) -> None:
    (line,) = said("a: " + opening * 100_000 if opening != "- " else opening * 100_000)
    assert f"nested more than {MAX_DEPTH} levels deep" in line


def test_aliases_that_expand_without_bound_are_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    (line,) = said("\n".join(rows))
    assert "expands to more than" in line
