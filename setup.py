"""What pyproject.toml cannot say: `conf/` stands at the top of a checkout and is installed inside the package."""

from setuptools import find_namespace_packages, find_packages, setup

CONF = ["whysaid.conf", *(f"whysaid.conf.{group}" for group in find_namespace_packages("conf"))]

setup(
    packages=[*find_packages("src", include=["whysaid", "whysaid.*"]), *CONF],
    package_dir={"": "src", "whysaid.conf": "conf"},
    package_data={"": ["*.yaml", "*.html"], "whysaid.conf": ["*.yaml"]},
)
