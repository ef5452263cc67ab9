"""Lip-sync measures, on lips with known faults."""

import argparse
import json
import wave
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from bench.report.figures import Report
from protocol.lite.messages import SAMPLE_RATE
from renderer.avatar import load
from renderer.face import INDEX, SIZE
from training.evaluation import devset, lipsync
from training.evaluation.alignment import NoAligner, align, alignment_path
from training.evaluation.classes import REST
from training.evaluation.clips import Clip, Unaligned, read_folder
from training.evaluation.drawing import draw_time_line
from training.evaluation.grid import Track, read_lips
from training.evaluation.measures import score_lips
from training.evaluation.npm import OCULUS, RHUBARB, HeadAudio, NoPeers
from training.evaluation.reference import reference_lips, reference_track
from training.evaluation.systems import Loudness, Streamed
from training.phones import PHONEMES, VOWELS, Phone


def make_clip(seed: int) -> Clip:
    """Return six seconds of consonant-vowel syllables between two silences."""
    rng = np.random.default_rng(seed)
    consonants = sorted(set(PHONEMES) - VOWELS - {"SIL"})
    phones, at_s = [Phone("SIL", 0.0, 0.6, None)], 0.6
    while at_s < 5.0:
        for kind in (consonants, sorted(VOWELS)):
            end_s = at_s + rng.uniform(0.06, 0.14)
            phones.append(Phone(str(rng.choice(kind)), at_s, end_s, None))
            at_s = end_s
    phones.append(Phone("SIL", at_s, 6.0, None))
    tone = np.zeros(6 * SAMPLE_RATE)
    first, last = round(0.6 * SAMPLE_RATE), round(at_s * SAMPLE_RATE)
    tone[first:last] = rng.normal(0, 3000, last - first)
    return Clip(f"clip {seed}", tone.astype("<i2").tobytes(), tuple(phones))


@pytest.fixture(scope="module")
def clips():
    return [make_clip(seed) for seed in range(6)]


def scores_of(clips, change):
    """Return the scores of the oracle's lips after ``change`` of their faces."""
    tracks = [reference_track(clip) for clip in clips]
    for track in tracks:
        change(track.faces)
    return score_lips(clips, tracks)


def test_oracle_has_the_best_scores(clips):
    best = scores_of(clips, lambda faces: None)
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


def test_lips_that_never_move_have_no_skill(clips):
    def zero(faces):
        faces[:] = 0

    worst = scores_of(clips, zero)
    assert worst.skill == 0  # always closed: every closure is met by chance
    assert worst.recall == worst.chance == worst.false == 1
    assert np.isnan(worst.correlation)
    assert worst.offsets_ms == []
    assert worst.rounding == pytest.approx(0.5)
    assert worst.fixed.macro() < 0.2


def test_lips_that_never_meet_miss_every_closure(clips):
    def ajar(faces):
        opened = faces[:, INDEX["jawOpen"]]
        opened[:] = 0.25 + 0.5 * opened

    worse = scores_of(clips, ajar)
    assert worse.recall == 0
    assert worse.opening > 0.3
    assert worse.correlation_speech > 0.95  # correlation ignores scale and offset


def test_mouth_close_compensates_an_open_jaw(clips):
    def by_mouth_close(faces):
        raised = np.clip(0.3 - faces[:, INDEX["jawOpen"]], 0, None)
        faces[:, INDEX["jawOpen"]] += raised
        faces[:, INDEX["mouthClose"]] = raised

    same, best = scores_of(clips, by_mouth_close), scores_of(clips, lambda faces: None)
    assert same.recall == best.recall
    assert same.correlation_speech == pytest.approx(best.correlation_speech)


@pytest.mark.parametrize("late_ms", [-80, 60, 120])
def test_offset_of_shifted_lips_is_measured(clips, late_ms):
    tracks = [reference_track(clip) for clip in clips]
    tracks = [replace(t, t0_s=t.t0_s + late_ms / 1000) for t in tracks]
    scores = score_lips(clips, tracks)
    assert np.median(scores.offsets_ms) == pytest.approx(late_ms, abs=8)
    assert scores.correlation_aligned > scores.correlation_speech + 0.1
    assert scores.correlation_aligned > 0.95


def test_scores_do_not_depend_on_the_frame_rate(clips):
    tracks = []
    for clip in clips:
        track = reference_track(clip)
        at = np.arange(0, clip.seconds, 1 / 60)
        own = track.t0_s + np.arange(len(track.faces)) / track.fps
        faces = np.stack([np.interp(at, own, row) for row in track.faces.T], 1)
        tracks.append(Track(60, 0.0, faces.astype(np.float32)))
    fast, usual = score_lips(clips, tracks), scores_of(clips, lambda faces: None)
    assert fast.recall == usual.recall
    assert fast.correlation_speech == pytest.approx(usual.correlation_speech, abs=0.01)
    assert fast.fixed.macro() == pytest.approx(usual.fixed.macro(), abs=0.03)


def test_fitted_classes_do_not_depend_on_the_scale(clips):
    def faint(faces):
        faces *= 0.4

    weak, best = scores_of(clips, faint), scores_of(clips, lambda faces: None)
    assert weak.fixed.macro() < best.fixed.macro() - 0.1
    assert weak.fitted.macro() > best.fitted.macro() - 0.06
    assert weak.recall == best.recall


def test_short_silence_is_a_pause_only_at_the_edges():
    times = (("SIL", 0, 0.1), ("AA", 0.1, 0.3), ("SIL", 0.3, 0.4), ("AA", 0.4, 0.6))
    times += (("SIL", 0.6, 0.8), ("AA", 0.8, 0.9), ("SIL", 0.9, 1.0))
    phones = tuple(Phone(*time, None) for time in times)
    clip = Clip("short", bytes(2 * SAMPLE_RATE), phones)
    assert clip.pauses() == (True, False, False, False, True, False, True)
    opening = reference_lips(clip).opening
    assert opening[35] > 0.5
    assert opening[70] < 0.3
    assert opening[99] < 0.3


def test_trembling_lips_raise_motion_and_jerk(clips):
    def tremble(faces):
        faces[:, INDEX["jawOpen"]] += 0.1 * (np.arange(len(faces)) % 2)

    worse, best = scores_of(clips, tremble), scores_of(clips, lambda faces: None)
    assert worse.motion > best.motion + 0.3
    assert worse.jerk > 1.5 * best.jerk


def test_a_moment_of_silence_is_no_measure_of_rest(clips):
    """One wrong label decided the figure of 42 sentences with 0.9 s of silence."""
    track = reference_track(clips[0])
    assert np.isnan(score_lips(clips[:1], [track]).motion)
    report = Report("lipsync")
    lipsync._add(report, "oracle", score_lips(clips[:1], [track]))
    names = {figure.name.removeprefix("oracle: ") for figure in report.figures}
    assert "closure by chance" in names
    assert not names & {"motion in silence", "opening in silence"}
    rows = json.dumps(lipsync._pooled(score_lips(clips[:1], [track])), allow_nan=False)
    assert json.loads(rows)["motion"] is None


def test_a_moment_of_silence_has_no_share_in_the_f1(clips):
    """The 30 labels of 0.3 s were a sixth of the F1 of 41 sentences."""

    def still(faces):
        faces[round(len(faces) * 0.3) : round(len(faces) * 0.6)] = 0

    alone = scores_of(clips[:1], still)
    for agreement in (alone.fixed, alone.phones):
        assert np.isnan(agreement.by_class()[REST])
    # Lips at rest in speech are wrong labels of the other classes alone.
    assert alone.fixed.confusion[..., REST].sum() > 0
    assert alone.fixed.macro() == pytest.approx(alone.fixed.by_class()[:REST].mean())
    assert np.isfinite(scores_of(clips, still).fixed.by_class()[REST])


def test_lips_without_rounding_lose_the_round_class(clips):
    def flat(faces):
        for name in INDEX:
            if name.startswith(("mouthPucker", "mouthFunnel", "mouthS")):
                faces[:, INDEX[name]] = 0

    worse = scores_of(clips, flat)
    assert worse.fixed.by_class()[2] == 0
    assert worse.rounding == pytest.approx(0.5)


def test_interval_contains_the_macro_f1(clips):
    agreement = scores_of(clips, lambda faces: None).fixed
    low, high = agreement.interval()
    assert low <= agreement.macro() <= high
    assert low < high


def test_loudness_baseline_opens_the_jaw_but_misses_closures(clips):
    loudness = Streamed("loudness", Loudness(), 40)
    tracks = [loudness.animate(clip) for clip in clips]
    scores = score_lips(clips, tracks)
    assert scores.recall < 0.3
    assert scores.correlation > 0.5  # it distinguishes speech from silence
    assert scores.opening < 0.1


def test_bite_and_press_are_distinguished():
    faces = np.zeros((3, SIZE), np.float32)
    faces[1, INDEX["mouthRollLower"]] = 0.6
    faces[2, [INDEX["mouthRollLower"], INDEX["mouthRollUpper"]]] = 0.6
    lips = read_lips(faces)
    assert lips.bite.tolist() == pytest.approx([0, 0.6, 0])
    assert lips.press.tolist() == pytest.approx([0, 0, 0.6])


@pytest.mark.parametrize("shapes", [RHUBARB, OCULUS])
def test_shapes_of_other_systems_use_known_weights(shapes):
    for weights in shapes.values():
        for name in weights:
            assert name in INDEX or {name + "Left", name + "Right"} <= INDEX.keys()


def test_time_line_of_a_clip_is_drawn_in_rows(portrait, tmp_path):
    path, avatar = tmp_path / "sheet.png", load(portrait)
    phones = (Phone("AA", 0, 0.7, None), Phone("SIL", 0.7, 1.4, None))
    clip = Clip("vowel", bytes(round(1.4 * 2 * SAMPLE_RATE)), phones)
    draw_time_line(path, clip, reference_track(clip), avatar, "oracle")
    with Image.open(path) as image:
        assert image.width == 16 * 120
        assert 2 * 300 < image.height < 3 * 300  # A row is 1.28 s.


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


def labels(held):
    phones = [["SIL", 0.0, 0.2, None], ["AA", 0.2, 0.5, 1]]
    return json.dumps({"held": held, "text": "ah", "phones": phones})


def test_folder_yields_held_out_and_transcribed_recordings(tmp_path):
    write(tmp_path, "linda/00001", json=labels(True))
    write(tmp_path, "linda/00002", json=labels(False))
    write(tmp_path, "linda/00003", json="{")
    write(tmp_path, "people/one", txt="Hello\nthere")
    write(tmp_path, "people/two")
    folder = read_folder(tmp_path)
    assert [clip.name for clip in folder.clips] == ["linda/00001"]
    assert folder.clips[0].phones[1] == Phone("AA", 0.2, 0.5, 1)
    assert folder.clips[0].seconds == pytest.approx(0.5, abs=0.01)
    assert [(clip.name, clip.text) for clip in folder.unaligned] == [
        ("people/one", "Hello there")
    ]
    assert set(folder.left_out) == {"linda/00003", "people/two"}


def test_limit_keeps_recordings_of_every_voice(tmp_path):
    for voice in ("a", "b", "c"):
        for number in range(9):
            write(tmp_path, f"{voice}/{number}", json=labels(True))
    folder = read_folder(tmp_path, max_s=2.0)
    assert {clip.name[0] for clip in folder.clips} == {"a", "b", "c"}
    assert 2 <= sum(clip.seconds for clip in folder.clips) <= 4
    assert folder.clips == read_folder(tmp_path, max_s=2.0).clips

    assert folder.left_out == {
        f"{27 - len(folder.clips)} more": "the limit is 2 s (--most)"
    }


def test_duration_of_a_clip_does_not_depend_on_its_format(tmp_path):
    """Four seconds at 48 kHz in stereo have as many bytes as 16 s at 24 kHz in mono."""
    for number in range(8):
        with wave.open(str(tmp_path / f"{number}.WAV"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(48_000)
            file.writeframes(bytes(2 * 2 * 24_000))
        (tmp_path / f"{number}.txt").write_text("ah")
    assert len(read_folder(tmp_path, max_s=4.0).unaligned) == 8


def test_single_clip_has_no_fitted_score(clips):
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
def test_invalid_options_are_explained(tmp_path, option, text, why):
    write(tmp_path, "linda/00001", json=labels(True))
    args = parse("--folder", str(tmp_path), "--no-peers", option, text)
    with pytest.raises(SystemExit, match=why):
        lipsync.run(args, None, Console(quiet=True))


def test_implausible_alignments_are_left_out(tmp_path):
    """The results are in the aligner's format; the aligner itself does not run."""
    recording = Unaligned("word", bytes(2 * SAMPLE_RATE), "pa")
    good = [["SIL", -10, 40], ["P", 30, 10], ["AA", 40, 20], ["SIL", 60, 50]]
    too_short = [["SIL", -10, 40], ["P", 30, 3], ["AA", 33, 3], ["SIL", 36, 74]]
    too_long = [["SIL", -10, 40], ["P", 30, 10], ["AA", 40, 65], ["SIL", 105, 5]]
    for phones, reason in (
        (good, ""),
        (too_short, "short"),
        (too_long, "AA lasts 0.65"),
    ):
        clips, left_out = aligned_from_cache(tmp_path, recording, {"phones": phones})
        assert bool(clips) != bool(reason)
        assert reason in left_out.get("word", "")
    _, left_out = aligned_from_cache(tmp_path, recording, {"error": "no words"})
    assert left_out == {"word": "no words"}
    for text, signs in (("press # to exit", "#"), ("100 % pa", "% 0 1"), ("pâ", "â")):
        signed = replace(recording, text=text)
        clips, left_out = aligned_from_cache(tmp_path, signed, {"phones": good})
        assert not clips
        assert left_out == {"word": f"not spelled as words: {signs}"}
    quoted = replace(recording, text="\u201cPa\u2019s \u2018pa\u2019\u201d")
    assert aligned_from_cache(tmp_path, quoted, {"phones": good})[0]
    [clip], _ = aligned_from_cache(tmp_path, recording, {"phones": good})
    assert [phone.phoneme for phone in clip.phones] == ["SIL", "P", "AA", "SIL"]
    closure = clip.phones[1]
    assert closure.end_s - closure.start_s == pytest.approx(0.07)  # the burst follows
    assert clip.phones[0].start_s == 0
    assert clip.phones[-1].end_s == pytest.approx(1.0)


def aligned_from_cache(cache, recording, result):
    path = alignment_path(recording, cache)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result))
    return align([recording], cache, Console(quiet=True))


def test_incomplete_set_of_recordings_is_removed(tmp_path):
    folder, recording = tmp_path / "people", ("one", np.zeros(240, np.int16), "hm")

    def failing():
        yield recording
        raise devset.CannotAssemble("no way")

    with pytest.raises(devset.CannotAssemble):
        devset.write_all(folder, failing())
    assert not folder.exists()
    devset.write_all(folder, [("two", *recording[1:])])
    assert {path.name for path in folder.iterdir()} == {"two.wav", "two.txt"}
    assert list(tmp_path.iterdir()) == [folder]


def test_error_without_clips_describes_the_folder(tmp_path):
    args = parse("--folder", str(tmp_path), "--no-peers")
    with pytest.raises(SystemExit, match=r"no clips.*\.txt"):
        lipsync.run(args, None, Console(quiet=True))


def test_failed_system_raises_no_peers(tmp_path, clips):
    """Node is missing, or the package that it should run."""
    with pytest.raises(NoPeers):
        HeadAudio(tmp_path, 80).animate(clips[0])


def test_error_names_an_aligner_that_cannot_be_installed(tmp_path):
    (tmp_path / "pocketsphinx").touch()  # a file where the folder should be
    recording = Unaligned("word", bytes(2 * SAMPLE_RATE), "pa")
    with pytest.raises(NoAligner, match=r"could not install .*pocketsphinx"):
        align([recording], tmp_path, Console(quiet=True))


def parse(*arguments):
    parser = argparse.ArgumentParser()
    lipsync.add_options(parser)
    return parser.parse_args(arguments)
