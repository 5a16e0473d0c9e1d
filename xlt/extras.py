"""Which extra of the distribution brings a package that is not installed."""

from __future__ import annotations

import re

from xlt.errors import XltError

_OPTIONAL = re.compile(r"""(?P<package>[\w.-]+).*;\s*extra\s*==\s*["'](?P<extra>[\w-]+)["']""")


def missing_package(error: BaseException, *, where: object = None) -> XltError | None:
    """Explain an import that failed for want of an optional package.

    Returns None where no extra of xlt brings what is missing, or nothing is missing.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    package = error.name.partition(".")[0]
    extra = extra_with(package)
    if extra is None:
        return None
    return XltError(
        f"this needs the package {package}, which is not installed",
        where=where,
        fix=f"pip install 'xlt[{extra}]'",
    )


def installed(package: str) -> str | None:
    """The version of a package; None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def extra_with(package: str) -> str | None:
    """The first extra in xlt's metadata that names the package; None if there is none."""
    from importlib.metadata import PackageNotFoundError, requires  # slow, and for errors alone

    try:
        declared = requires("xlt") or []
    except PackageNotFoundError:  # run from a folder that was never installed
        return None
    for requirement in declared:
        optional = _OPTIONAL.match(requirement)
        if optional and _same(optional["package"], package):
            return optional["extra"]
    return None


def _same(one: str, other: str) -> bool:
    """Whether two names of packages are one, as pip compares them."""
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()
