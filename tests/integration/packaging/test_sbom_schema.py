"""What we write as a CycloneDX document is one, by the standard's own schema."""

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from shellbuild.sbom import write_sbom


def test_the_document_is_valid_cyclonedx(tree, tmp_path):
    text = write_sbom(vendor=tree, dist=tmp_path / "dist").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_a_document_that_is_none_would_be_seen(tree, tmp_path):
    text = write_sbom(vendor=tree, dist=tmp_path / "dist").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(
        text.replace('"components"', '"compnents"', 1)
    )
