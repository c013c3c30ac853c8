"""Cuts lines of JSON objects before the value of their last key, without parsing them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def halves(lines: pa.StringArray, key: str) -> tuple[pa.StringArray, pa.StringArray]:
    """Return each line with null for the key's value, and the value's own text.

    ``{"a":1,"key":{"b":2}}`` becomes ``{"a":1,"key":null}`` and ``{"b":2}``. If both are JSON, then
    so was the line, and the value is the key's; whoever parses them finds out that it was not.

    :param lines: without nulls
    :raises pa.ArrowInvalid: if a line has no such key, or does not end with a brace
    """
    marker = f'"{key}":'
    found = pc.find_substring(lines, marker)
    if (pc.min(found).as_py() or 0) < 0 or not pc.all(pc.ends_with(lines, "}")).as_py():
        raise pa.ArrowInvalid(f"a line has no {key} at its end")
    _, offsets, text = lines.buffers()
    bounds = np.frombuffer(offsets, np.int32)[lines.offset : lines.offset + len(lines) + 1]
    cuts = np.empty(3 * len(lines) + 1, np.int32)
    cuts[0::3] = bounds
    cuts[1::3] = bounds[:-1] + np.asarray(found) + len(marker)
    cuts[2::3] = bounds[1:] - 1
    pieces = pa.StringArray.from_buffers(3 * len(lines), pa.py_buffer(cuts), text)
    every = np.arange(0, 3 * len(lines), 3)
    heads, values = pieces.take(pa.array(every)), pieces.take(pa.array(every + 1))
    return pc.binary_join_element_wise(heads, "null}", ""), pc.ascii_trim_whitespace(values)
