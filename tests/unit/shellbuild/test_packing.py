from shellbuild.packing import license_expression
from shellbuild.project import SHELLS, load_project
from shellbuild.sbom import linked_names


def test_the_licence_of_a_package_names_what_is_linked_into_its_programs():
    recipes = load_project().recipes
    linked = {
        name
        for row in load_project().platforms.values()
        for shell in SHELLS
        for name in linked_names(shell, row)
    }
    # Of zig's runtime and of musl, which are no recipes of ours.
    licences = {recipes[name].license if name in recipes else "MIT" for name in (*SHELLS, *linked)}
    assert license_expression().split(" AND ") == ["Apache-2.0", *sorted(licences)]
    assert all("zig" in linked_names("bash", row) for row in load_project().platforms.values())
