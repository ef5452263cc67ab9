#!/bin/sh
# Measures what this machine's GPU can render. Usage: sh bench/gpu.sh [ARGUMENTS]
#
# It needs Python 3.10 or newer with torch and numpy, and nothing else: no network, no
# LiveKit, no installation. Without CUDA it measures the CPU and says so. Pillow and
# nvidia-ml-py are used where they are installed.
#
#   PYTHON=/path   Python to use
#   OUT=/path      folder for gpu.json and nvidia-smi.txt (default: out)
#   ARGUMENTS      passed on; see python -m bench.gpu --help
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=${OUT:-out}
mkdir -p "$out"

"$python" - <<'END'
import importlib, sys

if sys.version_info < (3, 10):
    sys.exit(f"gpu.sh: Python 3.10 or newer is needed, this is {sys.version.split()[0]}")
for name in ("numpy", "torch"):
    try:
        print(name, importlib.import_module(name).__version__)
    except ImportError as error:
        sys.exit(f"gpu.sh: {name} is needed ({error}); set PYTHON to one that has it")
END
if command -v nvidia-smi >/dev/null; then
    nvidia-smi | tee "$out/nvidia-smi.txt"
else
    echo "nvidia-smi is not installed"
fi
PYTHONPATH=. exec "$python" -m bench.gpu --out "$out" "$@"
