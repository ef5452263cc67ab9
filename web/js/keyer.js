/**
 * Removal of a key colour from a video, drawn into a canvas with WebGL: H264 has no
 * alpha.
 *
 * Only chroma decides, so light and shadow do not. `p` is a pixel's chroma along that of
 * the key: 1 for the key itself, 0 for any grey. The pixel is opaque where `p` is at most
 * OPAQUE_UNTIL, clear from CLEAR_FROM on, and between them a mixture, from which the share
 * of the key is subtracted. Then hair must keep no green or pink edge, because chroma has
 * half the resolution: the key's brightest channel is limited to the larger one of the
 * others, in mixtures to their mean, and a mixture is as grey as it is clear.
 * docs/avatars.md says how this was measured.
 */

const OPAQUE_UNTIL = 0.1;
const CLEAR_FROM = 0.9;

const VERTEX = `
attribute vec2 corner;
varying vec2 at;
void main() {
  at = vec2(0.5 + 0.5 * corner.x, 0.5 - 0.5 * corner.y);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

// Y, Cb and Cr of BT.601, per unit of R, G and B.
const FRAGMENT = `
precision highp float;
uniform sampler2D video;
uniform vec3 key;
uniform vec3 brightest; // 1 for the key's brightest channel, 0 for the other two
varying vec2 at;
const vec3 LUMA = vec3(0.299, 0.587, 0.114);
const vec3 CB = vec3(-0.1687, -0.3313, 0.5);
const vec3 CR = vec3(0.5, -0.4187, -0.0813);
vec2 chroma(vec3 rgb) {
  return vec2(dot(CB, rgb), dot(CR, rgb));
}
// How much of a key a colour has: 1 for the key, 0 for any grey.
float share(vec3 rgb, vec3 of) {
  return dot(chroma(rgb), chroma(of)) / dot(chroma(of), chroma(of));
}
void main() {
  vec3 rgb = texture2D(video, at).rgb;
  // Browsers convert to RGB by BT.601 or BT.709. The corner shows what became of the key.
  vec3 corner = texture2D(video, vec2(0.01)).rgb;
  vec3 seen = share(corner, key) > 0.6 ? corner : key;
  float p = share(rgb, seen);
  float alpha = clamp((${CLEAR_FROM} - p) / (${CLEAR_FROM} - ${OPAQUE_UNTIL}), 0.0, 1.0);
  vec3 left = clamp(rgb - (1.0 - alpha) * seen, 0.0, alpha);
  vec3 others = left * (1.0 - brightest);
  float most = max(others.r, max(others.g, others.b));
  float mean = dot(others, vec3(0.5));
  float limit = mix(most, mean, min(1.0, 8.0 * (1.0 - alpha)));
  left = mix(left, min(left, vec3(limit)), brightest);
  gl_FragColor = vec4(mix(vec3(dot(LUMA, left)), left, alpha), alpha);
}`;

export class Keyer {
  #video;
  #canvas;
  #gl = null;
  #key = "";
  #request = 0;

  /** `onLost()` is called when the browser ends WebGL while the canvas shows the video. */
  constructor(video, canvas, onLost) {
    this.#video = video;
    this.#canvas = canvas;
    canvas.addEventListener("webglcontextlost", () => {
      if (!this.#key) return;
      this.show("");
      onLost();
    });
  }

  /**
   * Draw the video without a colour, such as "#00ff00", into the canvas from now on; stop
   * that for an empty one. Return whether the canvas shows the video: without WebGL it
   * does not.
   */
  show(key) {
    this.#video.cancelVideoFrameCallback?.(this.#request);
    this.#key = key && this.#prepare(key) ? key : "";
    this.#canvas.hidden = !this.#key;
    if (this.#key) this.#next();
    return Boolean(this.#key);
  }

  #next() {
    this.#request = this.#video.requestVideoFrameCallback?.(() => {
      this.#draw();
      this.#next();
    });
  }

  /** Return whether WebGL is ready to remove this colour. */
  #prepare(key) {
    if (!this.#video.requestVideoFrameCallback) return false;
    this.#gl ??= begin(this.#canvas);
    const gl = this.#gl;
    if (!gl || gl.isContextLost()) return false;
    const rgb = [1, 3, 5].map((at) => parseInt(key.slice(at, at + 2), 16) / 255);
    const brightest = rgb.map((value) => Number(value === Math.max(...rgb)));
    const program = gl.getParameter(gl.CURRENT_PROGRAM);
    gl.uniform3fv(gl.getUniformLocation(program, "key"), rgb);
    gl.uniform3fv(gl.getUniformLocation(program, "brightest"), brightest);
    return true;
  }

  #draw() {
    const { videoWidth: width, videoHeight: height, readyState } = this.#video;
    const gl = this.#gl;
    // The callback of the first frame may come before the frame is there, which is black.
    if (!width || readyState < HTMLMediaElement.HAVE_CURRENT_DATA || gl.isContextLost()) return;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      Object.assign(this.#canvas, { width, height });
      gl.viewport(0, 0, width, height);
    }
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, this.#video);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}

/** Return a context with program, corners and texture; null if the browser has none. */
function begin(canvas) {
  const gl = canvas.getContext("webgl", { alpha: true, premultipliedAlpha: true, antialias: false });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
  const corner = gl.getAttribLocation(program, "corner");
  gl.enableVertexAttribArray(corner);
  gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.LINEAR);
  return gl;
}
