import { DEFAULTS } from "../store.js";

/** Fields that belong to the input, not to a layer. */
export const INPUT_FIELDS = ["ndim", "input_size", "in_channels", "x"];

/** The store as the controls of one layer see it. */
export class LayerStore {
  /** @param {import("../store.js").Store} store */
  constructor(store) {
    this.store = store;
    /** Which layer: 0 is the first. */
    this.layer = 0;
  }

  /** How many layers there are. */
  get count() {
    return 1 + layersAfter(this.store.state).length;
  }

  /** @returns {State} */
  get state() {
    const state = this.store.state;
    const layers = layersAfter(state);
    if (this.layer > layers.length) this.layer = 0;
    if (this.layer === 0) return state;
    const before = this.layer === 1 ? state : { ...DEFAULTS, ...layers[this.layer - 2] };
    return /** @type {State} */ ({ ...DEFAULTS, ...state, ...layers[this.layer - 1], in_channels: before.out_channels });
  }

  /** @param {Partial<State>} part */
  change(part) {
    if (this.layer === 0) return this.store.change(part);
    this.store.change({ then: layersAfter(this.store.state).map((layer, at) => (at === this.layer - 1 ? { ...layer, ...part } : layer)) });
  }
}

/**
 * @param {State} state
 * @returns {Partial<Layer>[]}
 */
function layersAfter(state) {
  return Array.isArray(state.then) ? state.then : [];
}
