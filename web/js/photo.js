/** The photo on the page, and over it the face that was found: its box and landmarks. */

const SIDE = 1080; // pixels of the canvas
const MARGIN = 2.1; // side of the part that is shown, in sides of the face's box
const INK = "#8fe3d3";

export class PhotoView {
  #canvas;
  #picture = null; // null: this browser cannot read it, or it is gone
  #face = null;
  #number = 0; // of the newest picture: an older one may be decoded later
  #isWhole = false; // shows all of the picture, not the part around the face
  #told = ""; // what `showFace` was told last

  constructor(canvas) {
    this.#canvas = canvas;
  }

  /** Show a picture file; return whether this browser can read it. */
  async show(file) {
    this.clear();
    const mine = this.#number;
    const picture = await createImageBitmap(file).catch(() => null);
    if (mine !== this.#number) {
      picture?.close();
      return false;
    }
    this.#picture = picture;
    this.#draw();
    return picture !== null;
  }

  /**
   * Show the face of a job, in the part of the picture around it, or in the `whole`
   * picture. Its numbers are pixels of the upright picture.
   */
  showFace(face, whole) {
    const told = JSON.stringify([face, whole]);
    if (told === this.#told) return; // a job tells the same face each time it is read
    this.#told = told;
    this.#face = face;
    this.#isWhole = whole;
    this.#draw();
  }

  clear() {
    this.#number += 1;
    this.#picture?.close();
    this.#picture = this.#face = null;
    this.#told = "";
    this.#canvas.hidden = true;
  }

  #draw() {
    const { width, height } = this.#size();
    this.#canvas.hidden = !width;
    if (!width) return;
    const isPart = this.#face && !this.#isWhole;
    const part = isPart ? around(this.#face) : { x: 0, y: 0, width, height };
    const scale = SIDE / Math.max(part.width, part.height);
    Object.assign(this.#canvas, { width: Math.round(part.width * scale), height: Math.round(part.height * scale) });
    const pen = this.#canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.translate(-part.x, -part.y);
    if (this.#picture) this.#drawPicture(pen, width, height);
    if (this.#face) drawFace(pen, this.#face, scale);
    this.#canvas.setAttribute("aria-label", this.#description());
  }

  /** Width and height of the upright picture: as the gateway counts its pixels, if known. */
  #size() {
    return this.#face ?? this.#picture ?? { width: 0, height: 0 };
  }

  #drawPicture(pen, width, height) {
    const turned = this.#face?.turned ?? 0; // degrees counter-clockwise
    pen.save();
    pen.translate(width / 2, height / 2);
    pen.rotate((-turned * Math.PI) / 180);
    const [across, down] = turned % 180 ? [height, width] : [width, height];
    pen.drawImage(this.#picture, -across / 2, -down / 2, across, down);
    pen.restore();
  }

  #description() {
    if (!this.#face) return "Your photo";
    return `Your photo, with a box around the face and ${this.#face.landmarks.length} points on it`;
  }
}

/** Return the square part of the picture around a face, as far as the picture goes. */
function around({ width, height, box: [x, y, across, down] }) {
  const side = Math.min(MARGIN * Math.max(across, down), width, height);
  const place = (middle, most) => Math.max(0, Math.min(middle - side / 2, most - side));
  return { x: place(x + across / 2, width), y: place(y + down / 2, height), width: side, height: side };
}

function drawFace(pen, { box, landmarks }, scale) {
  pen.strokeStyle = pen.fillStyle = INK;
  pen.lineWidth = 4 / scale;
  pen.shadowColor = "rgb(0 0 0 / 60%)"; // the points are seen on fair skin too
  pen.shadowBlur = 4;
  pen.beginPath();
  pen.roundRect(...box, 18 / scale);
  pen.stroke();
  pen.beginPath();
  const radius = 3 / scale;
  for (const [x, y] of landmarks) {
    pen.moveTo(x + radius, y);
    pen.arc(x, y, radius, 0, 2 * Math.PI);
  }
  pen.fill();
}
