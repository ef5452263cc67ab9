#!/bin/sh
# Make web/samples/: the sentences of the demo page, synthesised with a free voice.
#
# It needs Debian's packages festival, festvox-us-slt-hts and ffmpeg. If the voice is
# missing, it uses flite's own slt. The repository contains the WAV files: you need this
# script only to make them again.
set -eu
cd "$(dirname "$0")/../web/samples"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

speak() { # TEXT FILE
    if ! echo "$1" | text2wave -eval '(voice_cmu_us_slt_arctic_hts)' -o "$2" \
        2>"$work/errors"; then
        flite -voice slt -t "$1" -o "$2"
    fi
}

# Trim silence at both ends (speech should begin with the first message), set the peak
# to -3 dB and convert to the format of agent.speak: 24 kHz, mono, 16 bit.
finish() { # FILE OUT
    trim='silenceremove=start_periods=1:start_threshold=-50dB:start_silence'
    ends="$trim=0.02,areverse,$trim=0.06,areverse"
    ffmpeg -nostdin -loglevel error -y -i "$1" -af "highpass=f=70,$ends" \
        "$work/trimmed.wav"
    peak=$(ffmpeg -nostdin -i "$work/trimmed.wav" -af volumedetect -f null - 2>&1 |
        sed -n 's/.*max_volume: \(-\{0,1\}[0-9.]*\) dB/\1/p')
    gain=$(awk "BEGIN { print -3 - ($peak) }")
    ffmpeg -nostdin -loglevel error -y -i "$work/trimmed.wav" \
        -af "volume=${gain}dB,aresample=24000:dither_method=none" \
        -ac 1 -c:a pcm_s16le -bitexact -map_metadata -1 "$2"
}

say() { # NAME TITLE TEXT
    speak "$3" "$work/raw.wav"
    finish "$work/raw.wav" "$1.wav"
    printf '%s  {"file": "%s.wav", "title": "%s", "text": "%s"}' \
        "$comma" "$1" "$2" "$3" >>"$work/samples.json"
    comma=',
'
}

comma=
printf '[\n' >"$work/samples.json"
say hello "A short hello" "Hello there, it is very good to see you today."
say question "A question" \
    "What would you like to talk about today, and where should we begin?"
say lips "Many P, B and M" \
    "Bob bought a big bumpy pumpkin, and Mummy put plum jam beside my purple map."
say long "A long one, to interrupt" \
    "I could go on like this for a while, so stop me when you like: I rest at once."
printf '\n]\n' >>"$work/samples.json"
mv "$work/samples.json" samples.json
