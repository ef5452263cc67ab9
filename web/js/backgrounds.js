/** Choice of what is behind the avatar: a list, and a colour beside it. */

const COLOUR = "colour";

export class BackgroundChoice {
  #list = document.getElementById("background");
  #colour = document.getElementById("colour");

  /** `changed()` is called when the user chooses another background. */
  constructor(changed) {
    for (const control of [this.#list, this.#colour]) {
      control.addEventListener("change", () => {
        this.#showColour();
        changed();
      });
    }
  }

  /** The background as a token request names it; an empty text: the avatar's own. */
  get value() {
    return this.#isColour ? this.#colour.value : this.#list.value;
  }

  /**
   * Offer the backgrounds of an avatar; a choice that it does not have is given up.
   * `pictures` are the names of its pictures; null: it keeps its own background.
   */
  offer(pictures) {
    const chosen = this.#list.value;
    const others = pictures && [["Transparent", "transparent"], ["A colour", COLOUR], ...pictures.map((name) => [title(name), name])];
    const options = [["Its own", ""], ...(others ?? [])];
    const known = options.some(([, option]) => option === chosen);
    this.#list.replaceChildren(...options.map(([text, option]) => new Option(text, option)));
    this.#list.value = known ? chosen : "";
    this.#list.disabled = !others;
    this.#showColour();
  }

  get #isColour() {
    return this.#list.value === COLOUR;
  }

  #showColour() {
    this.#colour.hidden = !this.#isColour;
  }
}

const title = (name) => name[0].toUpperCase() + name.slice(1).replaceAll(/[-_]/g, " ");
