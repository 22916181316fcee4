"""Puts the top-level folders that an installation needs into the package, as ``edge_segnet.share``.

They stay the only copy: a checkout and an editable installation read them where they lie (``install/share.py``).
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHARED = {
    "systemd": ["**/*"],
    "configs": ["*.yaml"],
    "docs": ["grafana-dashboard.json", "foxglove-layout.json"],
    ".": ["LICENSE", "LICENSE-WEIGHTS", "SECURITY.md", "CHANGELOG.md", "docs/privacy.md"],
}
SBOM = Path("out/sbom.cdx.json")
"""Of ``make sbom``; a wheel that is built without it has none."""
PLACES = {"docs": "dashboards", ".": "papers"}


class WithShare(build_py):
    """As always, and then these files."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, target in self._shared():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._shared())]

    def _shared(self) -> list[tuple[Path, Path]]:
        share = Path(self.build_lib) / "edge_segnet" / "share"
        found = [(SBOM, share / "papers" / SBOM.name)] if SBOM.is_file() else []
        for folder, patterns in SHARED.items():
            files = sorted({path for pattern in patterns for path in Path(folder).glob(pattern) if path.is_file()})
            if not files:
                raise FileNotFoundError(f"{folder}/ has nothing to install: is this source distribution complete?")
            for path in files:
                inside = path.name if folder == "." else path.relative_to(folder)
                found.append((path, share / PLACES.get(folder, folder) / inside))
        return found


setup(cmdclass={"build_py": WithShare})
