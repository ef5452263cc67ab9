/** Stages of a turn, from the user's last sound to the avatar's first, as a bar. */

/** Stages in their order, with a name to show. A turn has some of them. */
export const STAGES = {
  turn_end: "End of your turn",
  stt: "Speech to text",
  llm_first_token: "Model’s first token",
  first_sentence: "First sentence",
  tts_first_audio: "Voice’s first audio",
  queue: "Wait for speech before it",
  link: "Link to the gateway",
  avatar: "Avatar",
};

const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

/** Bars of one transcript: all have the same scale. */
export class StageBars {
  #list;
  #longest = 0;

  constructor(list) {
    this.#list = list;
  }

  reset() {
    this.#longest = 0;
  }

  /** Make the bar of a turn; `stages` has milliseconds by name, and their `total`. */
  bar(stages) {
    this.#longest = Math.max(this.#longest, stages.total);
    this.#list.style.setProperty("--longest", this.#longest);
    const bar = document.createElement("span");
    bar.className = "split";
    bar.style.setProperty("--total", stages.total);
    bar.append(
      ...named(stages).map(([name, ms]) => {
        const part = document.createElement("i");
        part.className = `stage-${name}`;
        part.style.flexGrow = ms;
        part.title = `${STAGES[name]}: ${milliseconds(ms)}`;
        return part;
      }),
    );
    const total = document.createElement("small");
    total.textContent = milliseconds(stages.total);
    const whole = document.createElement("span");
    whole.className = "took";
    whole.setAttribute("role", "img");
    whole.setAttribute("aria-label", `Answered after ${milliseconds(stages.total)}`);
    whole.append(bar, total);
    return whole;
  }
}

/** Return the stages that a turn has, in their order. */
function named(stages) {
  return Object.keys(STAGES)
    .filter((name) => stages[name] !== undefined)
    .map((name) => [name, stages[name]]);
}

/** Fill a description list with the stages of the newest turn. */
export function listStages(list, stages) {
  const rows = [...named(stages), ["total", stages.total]];
  list.replaceChildren(
    ...rows.map(([name, ms]) => {
      const row = document.createElement("div");
      row.dataset.stage = name;
      const term = document.createElement("dt");
      const swatch = document.createElement("i");
      swatch.className = `stage-${name}`;
      term.append(swatch, STAGES[name] ?? "Together");
      const value = document.createElement("dd");
      value.textContent = milliseconds(ms);
      row.append(term, value);
      return row;
    }),
  );
}
