import inspect
import re

import pytest

from app.errors import problem_kinds
from app.schemas import Problem
from gestures import advice


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


class TestDocument:
    def test_every_field_is_described_and_has_an_example(self, document):
        for name, schema in document["components"]["schemas"].items():
            for field, what in schema.get("properties", {}).items():
                refers = "$ref" in what or "$ref" in what.get("items", {}) or any("$ref" in one for one in what.get("anyOf", []))
                assert what.get("description") or "$ref" in what, f"{name}.{field}"
                is_upload = what.get("contentMediaType") or what.get("format") == "binary"
                assert refers or is_upload or "examples" in what, f"{name}.{field}"

    def test_every_parameter_is_described_and_has_an_example(self, document):
        for path, operations in document["paths"].items():
            for operation in operations.values():
                for one in operation.get("parameters", []):
                    assert one.get("description"), (path, one["name"])
                    assert "example" in one or "examples" in one["schema"], (path, one["name"])

    def test_the_keys_of_messages_are_those_that_advice_has(self, document):
        """As its source has them: where a message is made, or a table of what messages are made of."""
        made = re.findall(r'[Mm]essage\("([a-z-]+)"|"([a-z-]+)"(?:: \[code |, [a-z]+\))', inspect.getsource(advice))
        known = document["components"]["schemas"]["MessageOut"]["properties"]["key"]["examples"]
        assert sorted(known) == sorted({one or other for one, other in made})

    def test_later_versions_may_add_fields_and_keys(self, document):
        assert "additionalProperties" not in str(document)
        assert "enum" not in document["components"]["schemas"]["MessageOut"]["properties"]["key"]

    def test_only_results_from_before_an_upgrade_may_lack_a_field(self, document, client, peace):
        photo = client.post("/v1/checks", files={"photo": peace}).json()
        for name, answer, later in (("CheckedPhoto", photo, {"ballot"}), ("HandOut", photo["hands"][0], {"needs_look"})):
            schema = document["components"]["schemas"][name]
            assert set(answer) == set(schema["properties"])
            assert set(schema["required"]) == set(answer) - later
            assert all("default" not in what for what in schema["properties"].values())

    @pytest.mark.parametrize("path", ["/v1/checks", "/v1/checks/annotated", "/v1/checks/redacted", "/v1/checks/upright"])
    def test_every_error_has_examples(self, document, path):
        answers = document["paths"][path]["post"]["responses"]
        assert set(answers) == {"200", "400", "401", "403", "408", "413", "415", "421", "422", "429", "500", "503"}
        for status, answer in answers.items():
            if status == "200":
                continue
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["content"]["application/problem+json"]["schema"]["$ref"] == "#/components/schemas/Problem"
            examples = answer["content"]["application/problem+json"]["examples"]
            assert examples
            for kind, example in examples.items():
                problem = Problem.model_validate(example["value"])
                assert (problem.type, str(problem.status)) == (kind, status)
                assert "{" not in problem.detail

    def test_every_problem_is_told_where_it_can_come(self, document):
        """Also by those that come in tests: see `told`."""
        everywhere = {"host-unknown", "internal-error", "too-many-connections", "service-stopping"}
        told = set()
        for operations in document["paths"].values():
            for operation in operations.values():
                contents = [answer.get("content", {}) for answer in operation["responses"].values()]
                kinds = {kind for one in contents for kind in one.get("application/problem+json", {}).get("examples", ())}
                assert kinds >= everywhere
                told |= kinds
        of_no_route = {"not-found", "method-not-allowed", "contest-invalid"}
        of_photos_in_archives = {"archive-encrypted", "archive-nested", "archive-unsupported"}
        assert told == set(problem_kinds()) - of_no_route - of_photos_in_archives

    def test_headers_are_told(self, document):
        for operations in document["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    told = {"401": {"WWW-Authenticate"}, "429": {"Retry-After"}, "503": {"Retry-After"}, "202": {"Location"}}
                    assert set(answer["headers"]) == {"X-Request-ID"} | told.get(status, set())

    def test_where_a_link_can_lead_errors_are_pages_too(self, document):
        answer = document["paths"]["/v1/batches/{batch}/report.{kind}"]["get"]["responses"]["404"]
        assert set(answer["content"]) == {"application/problem+json", "text/html"}

    def test_the_language_is_a_parameter_of_all_that_speaks_one(self, document):
        for path, operations in document["paths"].items():
            for operation in operations.values():
                named = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
                assert ("lang" in named) is path.startswith(("/v1/checks", "/v1/batches")), path

    def test_a_key_may_be_asked_for(self, document):
        (name,) = document["components"]["securitySchemes"]
        assert document["security"] == [{}, {name: []}]

    @pytest.mark.parametrize("copy", ["annotated", "redacted", "upright"])
    def test_copies_are_pictures(self, document, copy):
        content = document["paths"][f"/v1/checks/{copy}"]["post"]["responses"]["200"]["content"]
        assert set(content) == {"image/jpeg", "image/webp"}

    def test_no_page_that_loads_from_other_hosts(self, client):
        assert client.get("/docs").status_code == 404
        assert client.get("/redoc").status_code == 404
