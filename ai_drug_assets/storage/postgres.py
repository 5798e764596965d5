"""Databases on a Postgres server, for an installation past one host (docs/operations/past-one-host.md).

The settings name the server; `PGSSLMODE` is libpq's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_zoo.errors import ConfigError, StoreError

from ai_drug_assets.settings import PostgresServer

if TYPE_CHECKING:
    from sqlalchemy import URL

FIRST = "dagster"
"""The database that is there from the beginning; others are made through it."""


def made(database: str) -> str:
    """Return the address of a database, which is made when it is not there.

    Raises
    ------
    ConfigError
        When a setting or the driver is missing.
    StoreError
        When the server cannot be reached, or refuses.
    """
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(_address(FIRST), isolation_level="AUTOCOMMIT")
    except ModuleNotFoundError as error:
        raise ConfigError(f"AIDRUG_POSTGRES_HOST needs the extra `ecs`: pip install -e '.[ecs]' ({error})") from error
    try:
        with engine.connect() as connection:
            found = connection.execute(
                sqlalchemy.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": database}
            )
            if found.first() is None:
                connection.execute(sqlalchemy.text(f'CREATE DATABASE "{database}"'))
    except sqlalchemy.exc.SQLAlchemyError as error:
        where = _address(FIRST).render_as_string(hide_password=True)
        why = str(getattr(error, "orig", error)).strip().splitlines()[-1]
        raise StoreError(f"{where}: {why}. Check AIDRUG_POSTGRES_HOST, _USER, _PASSWORD and PGSSLMODE.") from error
    finally:
        engine.dispose()
    return _address(database).render_as_string(hide_password=False)


def _address(database: str) -> URL:
    from sqlalchemy import URL

    server = PostgresServer.from_env()
    return URL.create("postgresql+psycopg2", server.user, server.password, server.host, server.port, database)
