"""Measurement of a page from outside: pixels and audio of its elements."""

# Measures the page from outside: pixels and audio of its elements, without its code.
PROBE = """
async ({ seconds, mouth }) => {
  const video = document.querySelector('video');
  const audio = document.querySelector('audio');
  const [left, top, width, height] = mouth;
  const canvas = new OffscreenCanvas(96, 96);
  const draw = canvas.getContext('2d', { willReadFrequently: true });
  window.analyser ??= (() => {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    context.createMediaStreamSource(audio.srcObject).connect(analyser);
    return analyser;
  })();
  const patches = [], loudness = [], samples = new Float32Array(1024);
  let first, last;
  const onFrame = (now, { presentedFrames }) => {
    first ??= [now, presentedFrames];
    last = [now, presentedFrames];
    draw.drawImage(video, left * video.videoWidth, top * video.videoHeight,
      width * video.videoWidth, height * video.videoHeight, 0, 0, 96, 96);
    patches.push(draw.getImageData(0, 0, 96, 96).data.filter((_, i) => i % 4 === 1));
    window.analyser.getFloatTimeDomainData(samples);
    loudness.push(Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / 1024));
    request = video.requestVideoFrameCallback(onFrame);
  };
  let request = video.requestVideoFrameCallback(onFrame);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  video.cancelVideoFrameCallback(request);
  // Mean over the patch of the standard deviation of each pixel.
  let motion = 0;
  for (let pixel = 0; pixel < 96 * 96; pixel++) {
    const values = patches.map((patch) => patch[pixel]);
    const mean = values.reduce((a, b) => a + b) / values.length;
    const sum = values.reduce((a, b) => a + (b - mean) ** 2, 0);
    motion += Math.sqrt(sum / values.length);
  }
  loudness.sort((a, b) => a - b);
  return {
    motion: motion / (96 * 96),
    rms: loudness[loudness.length >> 1],
    loudest: loudness.at(-1),
    rate: ((last[1] - first[1]) * 1000) / (last[0] - first[0]),
  };
}
"""
MOUTH = [0.4, 0.45, 0.2, 0.13]  # left, top, width, height, in shares of Mira's frame
