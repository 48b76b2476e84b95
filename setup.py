"""What pyproject.toml cannot say: `conf/` stands at the top of a checkout and is installed inside the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src", include=["whysaid", "whysaid.*"]), "whysaid.conf"],
    package_dir={"": "src", "whysaid.conf": "conf"},
    package_data={"": ["*.yaml", "*.html"], "whysaid.conf": ["**/*.yaml"]},
)
