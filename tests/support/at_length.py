"""Tests that `make deploy-check` runs, because they take minutes or install much."""

import os

import pytest

deploy_check = pytest.mark.skipif(not os.environ.get("RISKRELAY_DEPLOY"), reason="takes long: make deploy-check")
