"""Our own CSV: what is read, and what is refused with which line."""

from __future__ import annotations

import pytest

from cpe_manager.domain.fleet.inventory import DeviceRecord, LifeState, LineKind
from tests.unit.inventory.reading import problems, read


def test_csv_reads_every_column() -> None:
    (got,) = read(
        "csv",
        """\
        Site,Name,Address,port,family,group,credential,line,line_kind,access_node,serial,model,state,settings.max_attempts,settings.options.vtysh
        Shop 1,r1,10.0.0.1,2222,ios,g,core,L1,Fibre,N1,00123,C1111,suspended,5,login
        """,
    ).devices
    assert got == DeviceRecord(
        name="r1", address="10.0.0.1", file="in", line=2, site="Shop 1", port=2222, family="cisco_ios", group="g",
        credential="core", line_ref="L1", line_kind=LineKind.FIBRE, access_node="N1", serial="00123", model="C1111",
        state=LifeState.SUSPENDED, settings={"max_attempts": "5", "options.vtysh": "login"},
    )  # fmt: skip


def test_csv_tells_an_absent_column_from_an_empty_cell() -> None:
    (got,) = read("csv", "name,address,group,port\nr1,10.0.0.1,,\n").devices
    assert (got.group, got.port) == ("", 0)
    assert (got.family, got.serial, got.line_ref) == (None, None, None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_takes_comma_semicolon_and_tab_and_a_byte_order_mark(delimiter: str) -> None:
    text = "\ufeffname,address,site\r\nr1,10.0.0.1,x\r\n\r\nr2,10.0.0.2,y\r\n".replace(",", delimiter)
    assert [(d.name, d.site, d.line) for d in read("csv", text).devices] == [("r1", "x", 2), ("r2", "y", 4)]


def test_csv_keeps_line_numbers_right_after_a_cell_of_several_lines() -> None:
    text = 'name,address,site\nr1,10.0.0.1,"a\nb"\nr2,10.0.0.2,c,extra\n'
    assert problems("csv", text)[0].startswith("4: the row has 4 cells and the header 3")


def test_csv_names_each_unknown_missing_and_doubled_column() -> None:
    found = problems("csv", "name,colour,colour,naem\n")
    assert len(found) == 4
    assert any("'colour' is there twice" in one for one in found)
    assert any("'naem' is unknown; known: site, name" in one for one in found)
    assert "1: column 'address' is missing; add it to the header" in found


def test_csv_names_both_lines_of_a_name_that_is_there_twice() -> None:
    found = problems("csv", "name,address\nr1,10.0.0.1\nr2,10.0.0.2\nr1,10.0.0.3\n")
    assert found == ["4: device 'r1' is on line 2 already; keep one of the two"]


def test_csv_reports_all_bad_rows_together() -> None:
    text = """\
        name,address,port,state,line_kind
        r1,,,,
        ,10.0.0.2,,,
        r3,10.0.0.3,99999,,
        r4,10.0.0.4,,retired,
        r5,10.0.0.5,,,glass
        """
    found = problems("csv", text)
    assert [int(one.split(":")[0]) for one in found] == [2, 3, 4, 5, 6]
    for one, word in zip(found, ["address", "name", "port", "state", "line_kind"], strict=True):
        assert word in one


def test_csv_with_a_broken_quote_is_refused_at_its_line() -> None:
    assert problems("csv", 'name,address\nr1,10.0.0.1\nr2,"10.0.0.2\n')[0].startswith("3: not valid CSV")


def test_an_empty_csv_says_what_is_wanted() -> None:
    assert "header row" in problems("csv", "\n \n")[0]


def test_what_makes_a_session_insecure_has_columns_of_its_own() -> None:
    text = "name,address,transport,legacy_crypto\nr1,192.0.2.1,telnet,\nr2,192.0.2.2,,yes\n"
    assert [dict(one.settings) for one in read("csv", text).devices] == [
        {"transport": "telnet", "legacy_crypto": ""},
        {"transport": "", "legacy_crypto": "yes"},
    ]
