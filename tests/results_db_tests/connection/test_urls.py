from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results_db.connection.urls import parse, redact, scrub, storable
from results_db.store import Store
from search_space.errors import SweepError

WORD = st.text("abcXYZ09-_.", min_size=6, max_size=12)
SECRET = st.text("abcXYZ09!$@/#%^*()~", min_size=4, max_size=20).map(lambda text: "S3" + text + "cR")


@pytest.mark.parametrize("text", ["sweep.db", "./sweep.db", "sqlite:///sweep.db"])
def test_a_bare_path_means_sqlite(text: str) -> None:
    address = parse(text)
    assert address.engine == "sqlite"
    assert address.path == Path.cwd() / "sweep.db"


def test_an_absolute_sqlite_address_has_four_slashes() -> None:
    assert parse("sqlite:////data/sweep.db").path == Path("/data/sweep.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_is_reached_through_psycopg(scheme: str) -> None:
    address = parse(f"{scheme}://me:pw@host:5433/db")
    assert (address.engine, address.url.drivername) == ("postgresql", "postgresql+psycopg")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must not be empty"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        (":memory:", "in memory"),
        ("sqlite://host/x.db", "three slashes"),
        ("sqlite:x.db", "not a database address"),
        ("mysql://me:pw@host/db", "'mysql' is not a database"),
        ("postgresql+asyncpg://me:pw@host/db", "not a database"),
        ("postgresql://me:pw@host:port/db", "not a database address"),
    ],
)
def test_an_address_that_names_no_store_is_refused(text: str, reason: str) -> None:
    with pytest.raises(SweepError, match=reason) as caught:
        parse(text)
    assert "pw" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        assert str(parse(text))
    except SweepError as error:
        assert "\n" not in str(error)


@given(WORD, SECRET, WORD)
def test_a_password_is_never_shown(user: str, password: str, host: str) -> None:
    text = f"postgresql+psycopg://{user}:{password}@{host}/db"
    assert password not in redact(text)
    assert password not in redact(f"could not connect to {text}: refused")
    try:
        shown = str(parse(text)) + repr(parse(text))
    except SweepError as error:
        shown = str(error)
    assert password not in shown


@given(SECRET)
def test_a_password_in_a_query_or_a_setting_is_never_shown(password: str) -> None:
    plain = password.replace("&", "").replace("#", "").replace("@", "").replace("/", "")
    assert plain not in redact(f"postgresql+psycopg://host/db?user=me&password={plain}")
    assert plain not in redact(f"connection to server failed: password={plain} host=x")
    assert plain not in str(scrub({"nested": [{"db_password": plain}]}))


@given(st.text())
def test_any_text_can_be_stored(text: str) -> None:
    clean = storable(text)
    assert "\0" not in clean
    clean.encode("utf-8")


def test_a_server_that_refuses_is_one_line_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(SweepError) as caught:
        Store.open("postgresql+psycopg://me:hunter2@127.0.0.1:9/db", reconnect_s=0)
    assert "hunter2" not in str(caught.value)
    assert "me:***@127.0.0.1:9/db" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg:/u:s3cret@h/d",
        "postgresql+psycopg:u:s3cret@h/d",
        "postgresql+psycopg://u:s3cret and more@h:port/d",
        "postgresql+psycopg://u:more s3cret@h:port/d",
        "postgresql+psycopg://u:x@y s3cret@h:port/d",
        "mysql:/u:s3cret@h/d",
        "postgresql+psycopg://h:port/d?password=x s3cret",
    ],
)
def test_a_password_in_an_address_that_cannot_be_read_is_not_shown(text: str) -> None:
    with pytest.raises(SweepError) as caught:
        parse(text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=s3 cret", "password=***"),
        ("password=s3 cret host=h", "password=*** host=h"),
        ("host=h password=s3 cret ; retry", "host=h password=*** ; retry"),
        ("?password=s3 cret&user=me", "?password=***&user=me"),
        ("{'token': 's3 cret', 'seed': 1}", "{'token': ***, 'seed': 1}"),
        ("postgresql+psycopg:/u:s3cret@h/d", "postgresql+psycopg:/u:***@h/d"),
        ("no route to postgresql://u:s3 cr@et@h/d: down", "no route to postgresql://u:***@h/d: down"),
        ("from a://u:x@h/d to b://v:y@g/e", "from a://u:***@h/d to b://v:***@g/e"),
    ],
)
def test_a_password_with_a_blank_goes_as_a_whole(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_file_name_with_a_colon_is_a_file_name() -> None:
    assert parse("runs:monday/me@home.db").path == Path.cwd() / "runs:monday/me@home.db"
