"""What we write as a CycloneDX document is one, by the standard's own schema."""

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from shellbuild.sbom import write_sbom
from unit.shellbuild.trees import ARM, LINUX, make_tree


@pytest.fixture
def document(tmp_path):
    vendor = make_tree(tmp_path / "vendor", LINUX, ARM)
    return write_sbom(vendor=vendor, dist=tmp_path / "dist").read_text(encoding="utf-8")


@pytest.mark.parametrize(("changed", "is_valid"), [("", True), ("x", False)])
def test_the_document_is_valid_cyclonedx_and_a_wrong_one_would_be_seen(document, changed, is_valid):
    text = document.replace('"components"', f'"components{changed}"', 1)
    assert (JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None) is is_valid
