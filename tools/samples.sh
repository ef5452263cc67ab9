#!/bin/sh
# Make web/samples/ again: the sentences of the demo page, by the built-in voices.
set -eu
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" tools/samples.py "$@"
