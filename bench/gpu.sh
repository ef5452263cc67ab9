#!/bin/sh
# Measures what this machine's GPU can render. Usage: sh bench/gpu.sh [ARGUMENTS]
#
# It needs Python 3.10 or newer with torch, numpy and Pillow, and nothing else: no
# network, no LiveKit, no installation. Without CUDA it measures the CPU and says so.
# nvidia-ml-py is used where it is installed.
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
import importlib.util, sys

if sys.version_info < (3, 10):
    sys.exit(f"gpu.sh: Python 3.10 or newer is needed, this is {sys.version.split()[0]}")
libraries = {"numpy": "numpy", "torch": "torch", "Pillow": "PIL"}
missing = [name for name, module in libraries.items() if not importlib.util.find_spec(module)]
if missing:
    sys.exit(
        f"gpu.sh: {sys.executable} lacks {', '.join(missing)}: install it with pip, or "
        "set PYTHON to a Python that has it"
    )
END
if command -v nvidia-smi >/dev/null; then
    nvidia-smi | tee "$out/nvidia-smi.txt"
else
    echo "nvidia-smi is not installed"
fi
PYTHONPATH=. exec "$python" -m bench.gpu --out "$out" "$@"
