/** Camera of this device, shown as in a mirror, and a picture taken with it. */

import { openDevice } from "./devices.js";

const QUALITY = 0.95; // of JPEG

export class Camera {
  #video;
  #stream = null;

  constructor(video) {
    this.#video = video;
  }

  /** Open the camera and show it; throw `PageError` if there is none. */
  async open() {
    const stream = await openDevice("camera", {
      video: { facingMode: "user", width: { ideal: 1920 }, height: { ideal: 1080 } },
    });
    this.close();
    this.#stream = stream;
    this.#video.srcObject = stream;
    this.#video.hidden = false;
    await this.#video.play();
  }

  /** Return the picture that the camera sees, as a JPEG file that is not mirrored. */
  async take() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(this.#video, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    return new File([blob], "camera.jpg", { type: blob.type });
  }

  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    this.#video.hidden = true;
  }
}
