"""Which packages there are: everything else about the distribution is in pyproject.toml.

A top-level package called `tasks` would collide with any tasks.py of a user's, so the folders
`tasks` and `data_cards` keep their names in the repository and are imported as `xlt.tasks` and
`xlt.data_cards`. `[tool.setuptools.packages.find]` finds packages, but renames none.
"""

from setuptools import find_packages, setup

INSIDE_XLT = ("tasks", "data_cards")

setup(
    package_dir={f"xlt.{name}": name for name in INSIDE_XLT},
    packages=[
        *find_packages(include=["xlt", "xlt.*"]),
        *(
            f"xlt.{found}"
            for name in INSIDE_XLT
            for found in find_packages(include=[name, f"{name}.*"])
        ),
    ],
)
