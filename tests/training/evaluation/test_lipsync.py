"""The measures of lips, on lips whose faults are known."""

import argparse
import json
import wave
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from protocol.lite.messages import SAMPLE_RATE
from renderer.face import INDEX, SIZE
from training.evaluation import devset, lipsync
from training.evaluation.alignment import NoAligner, align, alignment_path
from training.evaluation.clips import Clip, Unaligned, read_folder
from training.evaluation.grid import Track, read_lips
from training.evaluation.measures import score_lips
from training.evaluation.npm import OCULUS, RHUBARB, HeadAudio, NoPeers
from training.evaluation.reference import reference_lips, reference_track
from training.evaluation.systems import Loudness, Streamed
from training.sounds import PHONEMES, VOWELS, Phone


def spoken(seed: int) -> Clip:
    """Six seconds of syllables, consonant and vowel, between two silences."""
    chance = np.random.default_rng(seed)
    consonants = sorted(set(PHONEMES) - VOWELS - {"SIL"})
    phones, at_s = [Phone("SIL", 0.0, 0.6, None)], 0.6
    while at_s < 5.0:
        for kind in (consonants, sorted(VOWELS)):
            end_s = at_s + chance.uniform(0.06, 0.14)
            phones.append(Phone(str(chance.choice(kind)), at_s, end_s, None))
            at_s = end_s
    phones.append(Phone("SIL", at_s, 6.0, None))
    tone = np.zeros(6 * SAMPLE_RATE)
    first, last = round(0.6 * SAMPLE_RATE), round(at_s * SAMPLE_RATE)
    tone[first:last] = chance.normal(0, 3000, last - first)
    return Clip(f"clip {seed}", tone.astype("<i2").tobytes(), tuple(phones))


@pytest.fixture(scope="module")
def clips():
    return [spoken(seed) for seed in range(6)]


def changed(clips, change):
    """The verdict on lips that know the phones, after ``change`` of their faces."""
    tracks = [reference_track(clip) for clip in clips]
    for track in tracks:
        change(track.faces)
    return score_lips(clips, tracks)


def test_lips_that_know_the_phones_are_at_the_top(clips):
    best = changed(clips, lambda faces: None)
    assert best.recall == 1
    assert best.skill == 1
    assert best.false < 0.05
    assert best.correlation_speech > 0.97
    assert best.rounding > 0.97
    assert best.fixed.macro() > 0.85
    assert best.fitted.macro() > 0.85
    assert abs(np.median(best.offsets_ms)) < 5
    assert best.motion < 0.05
    assert best.jerk == pytest.approx(1, abs=0.25)


def test_lips_that_never_move_are_worth_nothing(clips):
    def still(faces):
        faces[:] = 0

    worst = changed(clips, still)
    assert worst.skill == 0  # always closed: every closure is seen, by chance
    assert worst.recall == worst.chance == worst.false == 1
    assert np.isnan(worst.correlation)
    assert worst.offsets_ms == []
    assert worst.rounding == pytest.approx(0.5)
    assert worst.fixed.macro() < 0.2


def test_lips_that_never_meet_miss_every_closure(clips):
    def ajar(faces):
        opened = faces[:, INDEX["jawOpen"]]
        opened[:] = 0.25 + 0.5 * opened

    worse = changed(clips, ajar)
    assert worse.recall == 0
    assert worse.opening > 0.3
    assert worse.correlation_speech > 0.95  # of scale and rest it knows nothing


def test_mouth_close_closes_an_open_jaw(clips):
    def by_mouth_close(faces):
        raised = np.clip(0.3 - faces[:, INDEX["jawOpen"]], 0, None)
        faces[:, INDEX["jawOpen"]] += raised
        faces[:, INDEX["mouthClose"]] = raised

    same, best = changed(clips, by_mouth_close), changed(clips, lambda faces: None)
    assert same.recall == best.recall
    assert same.correlation_speech == pytest.approx(best.correlation_speech)


@pytest.mark.parametrize("late_ms", [-80, 60, 120])
def test_late_lips_are_found_late_and_early_ones_early(clips, late_ms):
    tracks = [reference_track(clip) for clip in clips]
    tracks = [replace(t, t0_s=t.t0_s + late_ms / 1000) for t in tracks]
    verdict = score_lips(clips, tracks)
    assert np.median(verdict.offsets_ms) == pytest.approx(late_ms, abs=8)
    assert verdict.correlation_aligned > verdict.correlation_speech + 0.1
    assert verdict.correlation_aligned > 0.95


def test_the_rate_of_the_frames_does_not_matter(clips):
    tracks = []
    for clip in clips:
        track = reference_track(clip)
        at = np.arange(0, clip.seconds, 1 / 60)
        own = track.t0_s + np.arange(len(track.faces)) / track.fps
        faces = np.stack([np.interp(at, own, row) for row in track.faces.T], 1)
        tracks.append(Track(60, 0.0, faces.astype(np.float32)))
    fast, usual = score_lips(clips, tracks), changed(clips, lambda faces: None)
    assert fast.recall == usual.recall
    assert fast.correlation_speech == pytest.approx(usual.correlation_speech, abs=0.01)
    assert fast.fixed.macro() == pytest.approx(usual.fixed.macro(), abs=0.03)


def test_fitted_classes_flatter_no_scale(clips):
    def faint(faces):
        faces *= 0.4

    weak, best = changed(clips, faint), changed(clips, lambda faces: None)
    assert weak.fixed.macro() < best.fixed.macro() - 0.1
    assert weak.fitted.macro() > best.fitted.macro() - 0.06
    assert weak.recall == best.recall


def test_a_short_silence_is_rest_only_at_the_edges():
    times = (("SIL", 0, 0.1), ("AA", 0.1, 0.3), ("SIL", 0.3, 0.4), ("AA", 0.4, 0.6))
    times += (("SIL", 0.6, 0.8), ("AA", 0.8, 0.9), ("SIL", 0.9, 1.0))
    phones = tuple(Phone(*each, None) for each in times)
    clip = Clip("short", bytes(2 * SAMPLE_RATE), phones)
    assert clip.pauses() == (True, False, False, False, True, False, True)
    opening = reference_lips(clip).opening
    assert opening[35] > 0.5
    assert opening[70] < 0.3
    assert opening[99] < 0.3


def test_trembling_lips_are_caught_in_silence_and_by_their_jerk(clips):
    def tremble(faces):
        faces[:, INDEX["jawOpen"]] += 0.1 * (np.arange(len(faces)) % 2)

    worse, best = changed(clips, tremble), changed(clips, lambda faces: None)
    assert worse.motion > best.motion + 0.3
    assert worse.jerk > 1.5 * best.jerk


def test_unrounded_lips_are_caught(clips):
    def flat(faces):
        for name in INDEX:
            if name.startswith(("mouthPucker", "mouthFunnel", "mouthS")):
                faces[:, INDEX[name]] = 0

    worse = changed(clips, flat)
    assert worse.fixed.by_class()[2] == 0
    assert worse.rounding == pytest.approx(0.5)


def test_the_interval_holds_the_figure(clips):
    agreement = changed(clips, lambda faces: None).fixed
    low, high = agreement.interval()
    assert low <= agreement.macro() <= high
    assert low < high


def test_loudness_opens_the_jaw_but_sees_no_closures(clips):
    loudness = Streamed("loudness", Loudness(), 40)
    tracks = [loudness.animate(clip) for clip in clips]
    verdict = score_lips(clips, tracks)
    assert verdict.recall < 0.3
    assert verdict.correlation > 0.5  # it does know speech from silence
    assert verdict.opening < 0.1


def test_a_bitten_lip_is_no_pressed_one():
    faces = np.zeros((3, SIZE), np.float32)
    faces[1, INDEX["mouthRollLower"]] = 0.6
    faces[2, [INDEX["mouthRollLower"], INDEX["mouthRollUpper"]]] = 0.6
    lips = read_lips(faces)
    assert lips.bite.tolist() == pytest.approx([0, 0.6, 0])
    assert lips.press.tolist() == pytest.approx([0, 0, 0.6])


@pytest.mark.parametrize("shapes", [RHUBARB, OCULUS])
def test_peers_speak_in_weights_that_exist(shapes):
    for weights in shapes.values():
        for name in weights:
            assert name in INDEX or {name + "Left", name + "Right"} <= INDEX.keys()


def write(folder, name, seconds=0.5, **beside):
    path = folder / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * round(16_000 * seconds)))
    for suffix, text in beside.items():
        path.with_suffix(f".{suffix}").write_text(text)


def told(held):
    phones = [["SIL", 0.0, 0.2, None], ["AA", 0.2, 0.5, 1]]
    return json.dumps({"held": held, "text": "ah", "phones": phones})


def test_a_folder_gives_what_was_held_back_and_what_has_a_transcript(tmp_path):
    write(tmp_path, "linda/00001", json=told(True))
    write(tmp_path, "linda/00002", json=told(False))
    write(tmp_path, "linda/00003", json="{")
    write(tmp_path, "people/one", txt="Hello\nthere")
    write(tmp_path, "people/two")
    found = read_folder(tmp_path)
    assert [clip.name for clip in found.clips] == ["linda/00001"]
    assert found.clips[0].phones[1] == Phone("AA", 0.2, 0.5, 1)
    assert found.clips[0].seconds == pytest.approx(0.5, abs=0.01)
    assert [(clip.name, clip.text) for clip in found.unaligned] == [
        ("people/one", "Hello there")
    ]
    assert set(found.left_out) == {"linda/00003", "people/two"}


def test_of_a_large_folder_every_voice_is_heard(tmp_path):
    for voice in ("a", "b", "c"):
        for number in range(9):
            write(tmp_path, f"{voice}/{number}", json=told(True))
    found = read_folder(tmp_path, max_s=2.0)
    assert {clip.name[0] for clip in found.clips} == {"a", "b", "c"}
    assert 2 <= sum(clip.seconds for clip in found.clips) <= 4
    assert found.clips == read_folder(tmp_path, max_s=2.0).clips

    assert found.left_out == {
        f"{27 - len(found.clips)} more": "the limit is 2 s (--most)"
    }


def test_how_long_a_clip_is_does_not_hang_on_its_rate(tmp_path):
    """Four seconds of 48 kHz stereo, as many bytes as sixteen of the usual kind."""
    for number in range(8):
        with wave.open(str(tmp_path / f"{number}.WAV"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(48_000)
            file.writeframes(bytes(2 * 2 * 24_000))
        (tmp_path / f"{number}.txt").write_text("ah")
    assert len(read_folder(tmp_path, max_s=4.0).unaligned) == 8


def test_one_clip_alone_has_no_others_to_be_told_by(clips):
    alone = score_lips(clips[:1], [reference_track(clips[0])])
    assert np.isnan([alone.fitted.macro(), *alone.fitted.interval()]).all()
    assert alone.fixed.macro() > 0.5


@pytest.mark.parametrize(
    ("option", "text", "why"),
    [
        ("--lookahead", "x", r"0\.\.120"),
        ("--lookahead", "40,121", r"121.*0\.\.120"),
        ("--driver", "nope:x", "nope"),
    ],
)
def test_what_it_cannot_do_is_said(tmp_path, option, text, why):
    write(tmp_path, "linda/00001", json=told(True))
    given = asked("--folder", str(tmp_path), "--no-peers", option, text)
    with pytest.raises(SystemExit, match=why):
        lipsync.run(given, None, Console(quiet=True))


def test_the_fit_of_a_transcript_is_not_taken_on_trust(tmp_path):
    """Answers of the aligner as it gives them; the aligner itself is not run."""
    recording = Unaligned("word", bytes(2 * SAMPLE_RATE), "pa")
    good = [["SIL", -10, 40], ["P", 30, 10], ["AA", 40, 20], ["SIL", 60, 50]]
    hurried = [["SIL", -10, 40], ["P", 30, 3], ["AA", 33, 3], ["SIL", 36, 74]]
    dragged = [["SIL", -10, 40], ["P", 30, 10], ["AA", 40, 65], ["SIL", 105, 5]]
    for phones, complaint in (
        (good, ""),
        (hurried, "short"),
        (dragged, "AA lasts 0.65"),
    ):
        clips, left_out = judged(tmp_path, recording, {"phones": phones})
        assert bool(clips) != bool(complaint)
        assert complaint in left_out.get("word", "")
    _, left_out = judged(tmp_path, recording, {"error": "no words"})
    assert left_out == {"word": "no words"}
    [clip], _ = judged(tmp_path, recording, {"phones": good})
    sounds = [phone.sound for phone in clip.phones]
    assert sounds == ["SIL", "P", "AA", "SIL"]
    closure = clip.phones[1]
    assert closure.end_s - closure.start_s == pytest.approx(0.07)  # then its burst
    assert clip.phones[0].start_s == 0
    assert clip.phones[-1].end_s == pytest.approx(1.0)


def judged(cache, recording, answer):
    place = alignment_path(recording, cache)
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(answer))
    return align([recording], cache, Console(quiet=True))


def test_half_a_set_of_recordings_is_none(tmp_path):
    folder, said = tmp_path / "people", ("one", np.zeros(240, np.int16), "hm")

    def torn():
        yield said
        raise devset.CannotAssemble("no way")

    with pytest.raises(devset.CannotAssemble):
        devset.write_all(folder, torn())
    assert not folder.exists()
    devset.write_all(folder, [("two", *said[1:])])
    assert {path.name for path in folder.iterdir()} == {"two.wav", "two.txt"}
    assert list(tmp_path.iterdir()) == [folder]


def test_without_clips_it_ends_and_says_what_a_folder_holds(tmp_path):
    given = asked("--folder", str(tmp_path), "--no-peers")
    with pytest.raises(SystemExit, match=r"no clips.*\.txt"):
        lipsync.run(given, None, Console(quiet=True))


def test_a_peer_that_fails_is_one_that_is_missing(tmp_path, clips):
    """Whether Node is missing or what it should run."""
    with pytest.raises(NoPeers):
        HeadAudio(tmp_path, 80).animate(clips[0])


def test_an_aligner_that_cannot_be_installed_is_named(tmp_path):
    (tmp_path / "pocketsphinx").touch()  # where its folder would be
    recording = Unaligned("word", bytes(2 * SAMPLE_RATE), "pa")
    with pytest.raises(NoAligner, match=r"could not install .*pocketsphinx"):
        align([recording], tmp_path, Console(quiet=True))


def asked(*arguments):
    parser = argparse.ArgumentParser()
    lipsync.add_options(parser)
    return parser.parse_args(arguments)
