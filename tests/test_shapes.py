"""The table of shapes: every tensor, and how many numbers are trained."""

import symbackprop as sb
from symbackprop.shapes import shapes

N = sb.size("N")


def three_four_two() -> sb.Program:
    x, y = sb.data("x", N, 3), sb.data("y", N, 2, facts=["one_hot"])
    output = sb.softmax(sb.layers.dense(sb.layers.dense(x, 4, "tanh"), 2))
    return sb.program(sb.losses.cross_entropy(output, y) + sb.penalties.l2(1e-3))


def test_a_3_4_2_net_has_the_counts_of_the_lecture() -> None:
    found = shapes(three_four_two())
    counts = {row.name: row.count for row in found.rows if row.role == "parameter"}
    assert counts == {"W1": 4 * 3, "b1": 4, "W2": 2 * 4, "b2": 2}
    assert found.parameters == 4 * 3 + 4 + 2 * 4 + 2


def test_every_tensor_has_a_row_with_role_shape_and_facts() -> None:
    program = three_four_two()
    rows = {row.name: row for row in shapes(program).rows}
    assert set(rows) == set(program.names.values())
    assert rows["y"].role == "data"
    assert rows["y"].axes == (N, 2)
    assert rows["y"].facts == ("one_hot(i)",)
    assert rows["lam"].role == "hyper"
    assert rows["h1"].count == 4 * N


def test_the_table_has_cells_that_a_printer_can_lay_out() -> None:
    table = shapes(three_four_two()).table
    assert all(len(row) == len(table.header) for row in (*table.rows, table.last))
    assert ("W1", "parameter", "(3, 4)", "", "3·4 = 12") in table.rows
    assert table.last[-1] == "26 in all"


def test_sizes_stay_symbols_in_a_count() -> None:
    M = sb.size("M")
    total = shapes(sb.program((sb.parameter("u", M, 5) ** 2).sum())).parameters
    assert total == 5 * M


def test_a_program_without_parameters_trains_nothing() -> None:
    assert shapes(sb.program(sb.data("x", 3).sum())).table.last[-1] == "0 in all"
