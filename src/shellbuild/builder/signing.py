"""The last step of every macOS build: each program that the linker left without a signature gets an ad-hoc one."""

from pathlib import Path

from shellbuild.builder.code_signature import sign_ad_hoc


def sign_programs(folder: Path) -> None:
    """Sign the programs directly in a folder."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.stat().st_mode & 0o100:
            data = path.read_bytes()
            signed = sign_ad_hoc(data, path.name)
            if signed != data:
                path.write_bytes(signed)
