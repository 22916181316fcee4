"""The list of all parts of an installation, as CycloneDX 1.6 JSON, checked against its schema.

python -m tools.sbom [SITE-PACKAGES]    on standard output; left out: what edge-segnet needs of this environment
"""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from edge_segnet.install.program import OPTIONS, closure

MODELS: Final = "edge_segnet/models/*.onnx"


def document(site: Path | None = None) -> str:
    """JSON text; raises ValueError if it does not keep to the schema.

    Args:
        site: a folder of installed packages; None: this environment's, as far as edge-segnet needs them.
    """
    found = list(closure("edge-segnet", OPTIONS) if site is None else distributions(path=[str(site)]))
    ours = next(one for one in found if one.name.lower().replace("_", "-") == "edge-segnet")
    bom = Bom()
    root = _component(ours, ComponentType.APPLICATION)
    bom.metadata.component = root
    others = [_component(one, ComponentType.LIBRARY) for one in found if one is not ours]
    models = [_model(path) for path in _models(site)]
    for component in [*others, *models]:
        bom.components.add(component)
    bom.register_dependency(root, [*others, *models])
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        raise ValueError(f"the SBOM does not keep to CycloneDX 1.6: {fault}")
    return text + "\n"


def _component(one: Distribution, kind: ComponentType) -> Component:
    name = one.name.lower().replace("_", "-")
    metadata = one.metadata
    fields = [metadata[field] for field in ("License-Expression", "License") if field in metadata]
    words = next((field.splitlines()[0] for field in fields if field), "")
    where = PackageURL("pypi", None, name, one.version)
    licences = [DisjunctiveLicense(name=words)] if words else []
    return Component(name=name, version=one.version, type=kind, purl=where, bom_ref=str(where), licenses=licences)


def _models(site: Path | None) -> list[Path]:
    import edge_segnet

    return sorted((Path(edge_segnet.__file__).parents[1] if site is None else site).glob(MODELS))


def _model(path: Path) -> Component:
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return Component(
        name=path.stem,
        version=content[:12],
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{path.stem}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content)],
        licenses=[DisjunctiveLicense(name="research use: see LICENSE-WEIGHTS")],
    )


if __name__ == "__main__":
    sys.stdout.write(document(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
