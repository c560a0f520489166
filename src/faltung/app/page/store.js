/**
 * What the fields of a state are where nothing else is said.
 * @type {State}
 */
export const DEFAULTS = {
  ndim: 2,
  in_channels: 1,
  out_channels: 1,
  input_size: [5, 5],
  kernel_size: [3, 3],
  stride: [1, 1],
  padding: [[0, 0], [0, 0]],
  padding_mode: "zeros",
  dilation: [1, 1],
  groups: 1,
  bias: false,
  transposed: false,
  output_padding: [0, 0],
  flip: false,
  reading: "auto",
  x: null,
  weight: null,
  bias_values: null,
};

// Numbers given one by one fit one shape; with another shape, they are made up anew.
/** @type {Record<string, string[]>} */
const SHAPED_BY = {
  x: ["ndim", "in_channels", "input_size"],
  weight: ["ndim", "in_channels", "out_channels", "kernel_size", "groups", "transposed"],
  bias_values: ["out_channels", "bias"],
};

const DEPTH = 200;
const SAME_GESTURE_MS = 800;

/** The state of the controls, its answer, and the way back. */
export class Store {
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {State[]} */
  #past = [];
  /** @type {State[]} */
  #future = [];
  #gesture = { fields: "", time: -Infinity };
  #asking = false;
  #again = false;

  /**
   * @param {Link} link
   * @param {State} state
   */
  constructor(link, state) {
    this.link = link;
    /** What the controls say; may be impossible. */
    this.state = state;
    /** The newest answer, of this state or, while `busy`, of one before. @type {Shown | null} */
    this.answer = null;
    /** What kept the last question from being answered; "" where nothing did. */
    this.failure = "";
    /** Whether the change now told is a step within one gesture, such as the dragging of a slider. */
    this.continues = false;
    this.first = state;
  }

  get busy() {
    return this.#asking;
  }

  /** Whether numbers can be given. */
  get canEdit() {
    return this.link.isLive;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /**
   * Call `listener` after state, answer or business changed.
   * @param {() => void} listener
   * @returns {() => void} ends it
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Change some fields.
   * @param {Partial<State>} part
   */
  change(part) {
    const fields = Object.keys(part);
    /** @type {State} */
    const state = { ...this.state, ...part };
    for (const [name, shaping] of Object.entries(SHAPED_BY)) {
      const given = /** @type {any} */ (this.state)[name];
      const isNamed = given !== null && typeof given === "object" && "named" in given;
      if (!(name in part) && !isNamed && shaping.some((field) => field in part && !sameValue(part[field], this.state[field]))) state[name] = null;
    }
    this.#go(state, fields.join());
  }

  /**
   * Put another state in the place of this one.
   * @param {State} state
   */
  replace(state) {
    this.#go(state, "");
  }

  undo() {
    const before = this.#past.pop();
    if (!before) return;
    this.#future.push(this.state);
    this.#turn(before);
  }

  redo() {
    const after = this.#future.pop();
    if (!after) return;
    this.#past.push(this.state);
    this.#turn(after);
  }

  /** Back to what the page began with. */
  reset() {
    this.replace(structuredClone(this.first));
  }

  /** Ask again about the state as it is. */
  refresh() {
    void this.#ask();
  }

  /**
   * @param {State} state
   * @param {string} fields what was changed; steps of one gesture change the same
   */
  #go(state, fields) {
    if (sameValue(state, this.state)) return;
    const now = performance.now();
    this.continues = fields !== "" && fields === this.#gesture.fields && now - this.#gesture.time < SAME_GESTURE_MS && this.#past.length > 0;
    this.#gesture = { fields, time: now };
    if (!this.continues) this.#past.push(this.state);
    if (this.#past.length > DEPTH) this.#past.shift();
    this.#future = [];
    this.state = state;
    void this.#ask();
  }

  /** @param {State} state */
  #turn(state) {
    this.#gesture = { fields: "", time: -Infinity };
    this.continues = true; // the address follows, without a step of its own
    this.state = state;
    void this.#ask();
  }

  // One question at a time; of the states that come up meanwhile, only the last is asked about.
  async #ask() {
    if (this.#asking) {
      this.#again = true;
      this.#tell();
      return;
    }
    this.#asking = true;
    this.#tell();
    do {
      this.#again = false;
      try {
        const answer = await this.link.ask("show", { state: this.state });
        this.failure = "";
        if (!this.#again) this.answer = { ...answer, problem: answer.problem ?? null, scene: answer.scene ?? null };
      } catch (error) {
        this.failure = error instanceof Error ? error.message : String(error);
      }
    } while (this.#again);
    this.#asking = false;
    this.#tell();
  }

  #tell() {
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * @param {unknown} one
 * @param {unknown} other
 */
export function sameValue(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
