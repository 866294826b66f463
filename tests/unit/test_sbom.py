"""The bill of materials: every locked package with its version and hashes, as CycloneDX's schema has it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"


def made(folder: Path) -> bytes:
    """The words of the Makefile."""
    recipe = re.search(r"^sbom:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    _, program, *words = shlex.split(recipe[1].replace("\\\n", ""))
    assert program == "$(BIN)/cyclonedx-py"
    words[words.index("sbom.json")] = str(folder / "sbom.json")
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *words]
    subprocess.run(command, check=True, cwd=ROOT)
    return (folder / "sbom.json").read_bytes()


def locked() -> dict[str, tuple[str, set[str]]]:
    """Version and hashes of each package, read by hand."""
    found = {}
    for entry in re.split(r"\n(?=\S)", LOCK.read_text()):
        if named := re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", entry):
            found[named[1]] = (named[2], set(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)))
    return found


def hashes(component: Any) -> set[str]:
    return {one["content"] for reference in component["externalReferences"] for one in reference.get("hashes", ())}


def test_it_names_every_locked_package(tmp_path: Path) -> None:
    text = made(tmp_path)
    document = msgspec.json.decode(text)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode()) is None
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["name"] == "standings"
    expected = locked()
    assert len(expected) > 20
    assert {one["name"]: (one["version"], hashes(one)) for one in document["components"]} == expected
    assert all(one["purl"].startswith(f"pkg:pypi/{one['name']}@{one['version']}") for one in document["components"])
