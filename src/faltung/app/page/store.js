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
  then: [],
};

/**
 * What an answer holds where nothing else is said.
 * @type {Omit<Shown, "state">}
 */
const NOTHING = { scene: null, gathered: null, facts: [], plan: null, code: [], matrices: null, problem: null, unshown: null, choices: {} };

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
   * @param {State} first what `reset` brings back
   */
  constructor(link, state, first) {
    this.link = link;
    /** What the controls say; may be impossible. */
    this.state = wholeState(state);
    /** The newest answer, of this state or, while `busy`, of one before. @type {Shown | null} */
    this.answer = null;
    /** What kept the last question from being answered; "" where nothing did. */
    this.failure = "";
    /** Whether the change now told is a step within one gesture, such as the dragging of a slider. */
    this.continues = false;
    this.first = wholeState(first);
    /** Whether answers hold the matrices, which take longer than all the rest. */
    this.wantsMatrices = false;
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
    this.#go({ ...this.state, ...part }, Object.keys(part).join());
  }

  /**
   * Put another state in the place of this one.
   * @param {State} state
   */
  replace(state) {
    this.#go(state, "");
  }

  /**
   * Change some fields as a part of the last change, without a step of its own.
   * @param {Partial<State>} part
   */
  amend(part) {
    this.continues = true;
    this.state = wholeState({ ...this.state, ...part });
    void this.#ask();
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
    this.replace(this.first);
  }

  /**
   * Say whether the matrices are looked at.
   * @param {boolean} isWanted
   */
  wantMatrices(isWanted) {
    this.wantsMatrices = isWanted;
    if (isWanted && this.answer?.scene && !this.answer.matrices) this.refresh();
  }

  /** Ask again about the state as it is. */
  refresh() {
    void this.#ask();
  }

  /**
   * @param {Partial<State>} wanted
   * @param {string} fields what was changed; steps of one gesture change the same
   */
  #go(wanted, fields) {
    const state = wholeState(wanted);
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
    do {
      this.#again = false;
      const asked = this.state;
      // Asked first: while the answer is worked out the page shows what it knows already.
      const asking = this.link.ask("show", { state: asked, matrices: this.wantsMatrices });
      this.#tell();
      try {
        const answer = await asking;
        this.failure = "";
        this.answer = { ...NOTHING, state: asked, ...answer };
      } catch (error) {
        this.failure = messageOf(error);
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
 * A state with every field, in one order, and nothing else.
 * @param {Partial<State>} given
 * @returns {State}
 */
export function wholeState(given) {
  const state = structuredClone(DEFAULTS);
  for (const field of Object.keys(DEFAULTS)) if (given[field] !== undefined) state[field] = structuredClone(given[field]);
  return state;
}

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * @param {unknown} one
 * @param {unknown} other
 */
export function sameValue(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
