from shellbuild.schema import SCHEMAS, check_schemas, schema_path, schema_text


def test_the_committed_schemas_are_those_of_the_models():
    check_schemas()


def test_unknown_keys_are_refused_by_the_schemas():
    for model in SCHEMAS.values():
        assert '"additionalProperties": false' in schema_text(model)


def test_every_field_of_a_recipe_that_is_not_plain_is_described():
    assert "Patch series" in schema_path("recipe").read_text(encoding="utf-8")
