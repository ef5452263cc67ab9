"""A key with embedded pages without number: lists read only what they answer."""

import pytest
from sqlalchemy import event

from lite_gateway.store.models import EmbeddingRow
from tests.http.asgi import request
from tests.http.conftest import KEY

COUNT = 500


def page_of(key_id: str) -> EmbeddingRow:
    return EmbeddingRow(
        key_id=key_id,
        avatar="fiducial",
        kind="DEFAULT",
        sandbox=False,
        orientation="horizontal",
    )


@pytest.fixture
def pages(store):
    def add(db) -> None:
        db.add_all(page_of(f"key{n % 2}") for n in range(COUNT))

    store.run_sync(add)


@pytest.fixture
def loaded():
    """Rows that were read from the database."""
    rows: list[EmbeddingRow] = []

    def on_load(row, _context) -> None:
        rows.append(row)

    event.listen(EmbeddingRow, "load", on_load)
    yield rows
    event.remove(EmbeddingRow, "load", on_load)


def test_a_list_of_pages_reads_no_more_than_it_answers(app, pages, loaded):
    path = "/v2/embeddings?page_size=3&page=2"
    answer = request(app, "GET", path, x_api_key=KEY)
    assert answer.status == 200
    data = answer.json["data"]
    assert data["count"] == COUNT
    assert [item["embed_id"] for item in data["results"]] == [row.id for row in loaded]
    assert len(loaded) == 3
