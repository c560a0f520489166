/**
 * What is lit: the item that is hovered, focused or pinned, else the one that the player has come to.
 */

/**
 * @typedef {object} Item a cell of a grid, a weight or a bias
 * @property {"input" | "output" | "kernel" | "bias"} grid
 * @property {number} channel of the grid; of a weight 0
 * @property {number} place of a grid, border included; of a kernel the flat index of the weight; of a bias 0
 * @property {string} [reading] of a cell of the input or the output: whose places are meant
 */

/**
 * Whether two items are the same.
 * @param {Item | null} one
 * @param {Item | null} other
 */
export function isSameItem(one, other) {
  if (one === null || other === null) return one === other;
  return one.grid === other.grid && one.channel === other.channel && one.place === other.place && one.reading === other.reading;
}

/** One for all views of a scene. */
export class Selection {
  constructor() {
    /** @type {Item | null} */
    this.hovered = null;
    /** @type {Item | null} */
    this.focused = null;
    /** @type {Item | null} */
    this.pinned = null;
    /** @type {Item | null} What the player has come to. */
    this.stepped = null;
    /** Which stage is shown. */
    this.stage = 0;
    /** The frame of the player. */
    this.frame = 0;
    /** How many products of the frame are made; -1: all. */
    this.made = -1;
    /** Whether outputs of later frames are hidden. */
    this.isPartial = false;
    this.isPlaying = false;
    /** One product among those of the item; -1: none. */
    this.product = -1;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  /** The item that is lit. */
  get item() {
    return this.pinned ?? this.hovered ?? this.focused ?? this.stepped;
  }

  /**
   * @param {() => void} listener
   * @returns {() => void} ends it
   */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  /**
   * The pointer is over an item, or over none. While the player runs it is not listened to.
   * @param {Item | null} item
   */
  hover(item) {
    if (this.isPlaying || isSameItem(this.hovered, item)) return;
    this.hovered = item;
    this.product = -1;
    this.tell();
  }

  /** @param {Item | null} item */
  focus(item) {
    if (isSameItem(this.focused, item) && this.hovered === null) return;
    this.focused = item;
    if (item) this.hovered = null;
    this.product = -1;
    this.tell();
  }

  /**
   * Pin an item; the one that is pinned already is let go.
   * @param {Item | null} item
   */
  pin(item) {
    this.pinned = isSameItem(this.pinned, item) ? null : item;
    this.product = -1;
    this.tell();
  }

  /** @param {number} product */
  point(product) {
    if (this.product === product) return;
    this.product = product;
    this.tell();
  }

  /**
   * Forget every item: another stage, or a scene of another shape.
   * @param {number} stage
   */
  reset(stage) {
    this.hovered = this.focused = this.pinned = this.stepped = null;
    this.stage = stage;
    this.frame = 0;
    this.made = -1;
    this.product = -1;
    this.isPartial = false;
    this.isPlaying = false;
  }
}
