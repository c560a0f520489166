/**
 * The weights: rows are input channels, columns output channels, empty where groups keep two channels apart; below them the bias.
 */
import { LampBoard } from "./lighting.js";
import { CellNames } from "./names.js";
import { nodeOf, sayIn } from "./nodes.js";
import { fittingNumber, fullNumber, shadeNumber } from "./numbers.js";
import { axisNames, letterSize, planesOf, roomOf } from "./planes.js";
import { unravel } from "./scene.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("./numbers.js").CellValue} CellValue */

/** The cells of the kernel and of the bias. */
export class KernelView {
  constructor() {
    this.board = new LampBoard();
    this.biases = new LampBoard();
    this.names = new CellNames(this.board.cells, (weight) => this.words(weight));
    this.biasNames = new CellNames(this.biases.cells, (channel) => this.biasWords(channel));
    this.shape = "";
    /** Of two readings beside each other which one this is of; "" where there is one. */
    this.reading = "";
    /** Whether cells are coloured by their values: because somebody wants it, because letters would be too small. */
    this.isShaded = false;
    this.isTiny = false;
    /** Pixels; 0: nobody has said yet. */
    this.cell = 0;
    /** What stands in the cells, and how. */
    this.drawn = "";
    this.room = roomOf(46);
    this.longest = 1;
    /** @type {StageIndex | null} */
    this.index = null;
    this.size = nodeOf("span", { class: "views-size" });
    this.tiles = nodeOf("div", { class: "views-kernels" });
    this.tools = nodeOf("div", { class: "views-tools" });
    this.bias = nodeOf("div", { class: "views-bias" });
    this.note = nodeOf("p", { class: "views-note" });
    this.scroll = nodeOf("div", { class: "views-scroll" }, this.tiles, this.bias);
    /** Whether it holds more than it shows. */
    this.isScrolling = false;
    this.element = nodeOf(
      "section",
      { class: "views-panel views-kernel", "aria-label": "Kernel" },
      nodeOf("header", { class: "views-head" }, nodeOf("h3", {}, "Kernel"), this.size, this.tools),
      this.scroll,
      this.note,
    );
  }

  /** @param {string} reading which one this is of, where two stand beside each other: the kernel is drawn as it lies in it */
  setReading(reading) {
    this.reading = reading;
    this.element.setAttribute("aria-label", ["Kernel", reading].filter(Boolean).join(", "));
  }

  /**
   * @param {StageIndex} index
   * @param {string[]} roles of the input channels
   */
  update(index, roles) {
    const { stage } = index;
    const pairs = weightBlocks(index);
    const shape = JSON.stringify([stage.kernel.shape, stage.kernel.dilation, index.isFlipped, [...pairs], stage.kernel.bias?.length, roles, this.reading]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.build(index, pairs, roles);
    }
    this.show(index);
  }

  /**
   * @param {StageIndex} index
   * @param {Map<string, number>} blocks
   * @param {string[]} roles
   */
  build(index, blocks, roles) {
    const { stage, taps } = index;
    const { input, output, kernel } = stage;
    const size = kernel.shape.slice(2);
    const { planes, rows, columns } = planesOf(size);
    for (const cells of [this.board, this.biases, this.names, this.biasNames]) cells.clear();
    this.drawn = "";
    const isMany = input.channels > 1 || output.channels > 1;
    const isTurned = this.reading !== "" && index.isFlipped;
    // A large matrix that is mostly empty is told by its blocks alone.
    const isFlow = isFlowing(index, blocks);
    /** @type {HTMLElement[]} */
    const made = [];
    if (isMany && !isFlow) {
      made.push(nodeOf("div", { class: "views-corner", title: "from an input channel (row) to an output channel (column)" }, "in ↓ out →"));
      for (let oc = 0; oc < output.channels; oc++) made.push(nodeOf("div", { class: "views-across" }, String(oc)));
    }
    for (let ic = 0; ic < input.channels; ic++) {
      if (isMany && !isFlow) made.push(nodeOf("div", { class: "views-down" }, String(ic)));
      for (let oc = 0; oc < output.channels; oc++) {
        const block = blocks.get(`${ic} ${oc}`);
        if (block === undefined) {
          if (!isFlow) made.push(nodeOf("div", { class: "views-apart", title: `input channel ${ic} and output channel ${oc} are of different groups` }));
          continue;
        }
        const sheets = isFlow ? [nodeOf("div", { class: "views-caption", title: `input channel ${ic} to output channel ${oc}` }, `${ic} → ${oc}`)] : [];
        for (let plane = 0; plane < planes; plane++) {
          const words = ["kernel", this.reading, isMany && `input channel ${ic} to output channel ${oc}`, planes > 1 && `slice ${plane}`];
          const table = nodeOf("div", { class: "views-grid", role: "grid", "aria-label": words.filter(Boolean).join(", ") });
          table.style.setProperty("--columns", String(columns));
          for (let row = 0; row < rows; row++) {
            const line = nodeOf("div", { class: "views-row", role: "row" });
            for (let column = 0; column < columns; column++) {
              const tap = (plane * rows + row) * columns + column;
              const weight = block * taps + (isTurned ? taps - 1 - tap : tap);
              const cell = nodeOf("div", { class: "views-cell", role: "gridcell", tabindex: -1, "data-key": weight });
              this.board.cells.set(weight, cell);
              line.append(cell);
            }
            table.append(line);
          }
          sheets.push(nodeOf("div", { class: "views-sheet" }, table));
        }
        made.push(nodeOf("div", { class: `views-tile views-role-${roles[ic]}` }, ...sheets));
      }
    }
    this.tiles.replaceChildren(...made);
    this.tiles.classList.toggle("views-many", isMany && !isFlow);
    this.tiles.classList.toggle("views-flow", isFlow);
    this.tiles.style.setProperty("--across", String(output.channels));
    const first = this.board.cells.values().next().value;
    if (first) first.tabIndex = 0;
    this.buildBias(kernel.bias);
    const channels = `${kernel.shape[0]} × ${kernel.shape[1]}`;
    sayIn(this.size, isMany ? `${channels} × ${size.join(" × ")}` : size.join(" × "));
    const apart = new Set(kernel.dilation).size > 1 ? kernel.dilation.join(" × ") : kernel.dilation[0];
    const spread = kernel.dilation.some((entry) => entry > 1) ? `Its taps lie ${apart} cells apart. ` : "";
    sayIn(this.note, spread + (isTurned ? "Shown as it lies: flipped." : index.isFlipped ? "It lies flipped on the input." : ""));
  }

  /** @param {CellValue[] | null} bias */
  buildBias(bias) {
    this.bias.replaceChildren();
    this.bias.hidden = !bias;
    if (!bias) return;
    const line = nodeOf("div", { class: "views-row", role: "row" });
    const table = nodeOf("div", { class: "views-grid views-biases", role: "grid", "aria-label": "bias" }, line);
    bias.forEach((_, channel) => {
      const cell = nodeOf("div", { class: "views-cell", role: "gridcell", tabindex: channel ? -1 : 0, "data-key": channel });
      this.biases.cells.set(channel, cell);
      line.append(cell);
    });
    this.bias.append(nodeOf("span", { class: "views-caption" }, "bias"), table);
  }

  /** @param {StageIndex} index */
  show(index) {
    this.index = index;
    const { bias } = index.stage.kernel;
    let most = 0;
    let longest = 1;
    for (const value of [...index.weights, ...(bias ?? [])]) {
      most = Math.max(most, Math.abs(shadeNumber(value)));
      longest = Math.max(longest, fittingNumber(value, this.room).length);
    }
    if (longest !== this.longest) {
      this.longest = longest;
      this.setLetters();
    }
    const isColoured = this.isShaded || this.isTiny;
    const drawn = JSON.stringify([index.weights, bias, this.room, isColoured]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    for (const [weight, cell] of this.board.cells) this.put(cell, index.weights[weight], isColoured ? most : 0);
    for (const [channel, cell] of this.biases.cells) this.put(cell, bias?.[channel] ?? null, isColoured ? most : 0);
    for (const names of [this.names, this.biasNames]) for (const key of names.cells.keys()) names.renew(key);
  }

  /**
   * @param {HTMLElement} cell
   * @param {CellValue} value
   * @param {number} most by which it is coloured; 0: it is not
   */
  put(cell, value, most) {
    const short = fittingNumber(value, this.room);
    if (cell.firstChild instanceof Text) {
      if (cell.firstChild.data !== short) cell.firstChild.data = short;
    } else cell.prepend(short);
    if (!most) return;
    const shade = shadeNumber(value) / most;
    cell.style.setProperty("--shade", `${Math.round(Math.abs(shade) * 100)}%`);
    cell.toggleAttribute("data-negative", shade < 0);
  }

  /**
   * A weight in words.
   * @param {number} weight
   */
  words(weight) {
    if (!this.index) return "";
    const { kernel, is_transposed: isTransposed } = this.index.stage;
    const names = axisNames(kernel.shape.length - 2);
    const channelNames = isTransposed ? ["input channel", "output channel of its group"] : ["output channel", "input channel of its group"];
    const place = unravel(weight, kernel.shape);
    const channels = kernel.shape[0] * kernel.shape[1] > 1 ? place.slice(0, 2).map((entry, axis) => `${channelNames[axis]} ${entry}`) : [];
    const where = place.slice(2).slice(-3).map((entry, axis) => `${names[axis]} ${entry}`);
    return `weight, ${[...channels, ...where].join(", ")}: ${fullNumber(this.index.weights[weight])}`;
  }

  /** @param {number} channel */
  biasWords(channel) {
    return `bias of output channel ${channel}: ${fullNumber(this.index?.stage.kernel.bias?.[channel])}`;
  }

  /** @param {number} cell pixels */
  resize(cell) {
    if (cell === this.cell) return;
    this.cell = cell;
    this.element.style.setProperty("--cell", `${cell}px`);
    this.room = roomOf(cell);
    this.setLetters();
    if (this.index) this.show(this.index);
  }

  /** @param {boolean} isShaded */
  shade(isShaded) {
    this.isShaded = isShaded;
    if (this.index) this.show(this.index);
  }

  /** Letters as large as the longest number allows. */
  setLetters() {
    const letters = letterSize(this.cell, this.longest);
    this.isTiny = letters === 0;
    this.element.style.setProperty("--letters", `${letters}px`);
    this.element.toggleAttribute("data-shaded", this.isTiny);
  }

  /** @param {import("./lighting.js").Lit} lit */
  light(lit) {
    this.board.show(lit.kernel);
    this.biases.show(lit.bias);
  }
}

/**
 * Whether the kernel is shown as a list of blocks: where a matrix of channels would be large and mostly empty.
 * @param {StageIndex} index
 * @param {Map<string, number>} blocks
 */
export function isFlowing(index, blocks) {
  const { input, output } = index.stage;
  return Math.max(input.channels, output.channels) > 4 && blocks.size * 2 <= input.channels * output.channels;
}

/**
 * Which block of taps lies between two channels, "input output" → number of the block; missing where groups keep them apart.
 * @param {StageIndex} index
 */
export function weightBlocks(index) {
  /** @type {Map<string, number>} */
  const found = new Map();
  for (const pattern of index.stage.patterns) {
    pattern.weight.forEach((weight, term) => found.set(`${pattern.ic[term]} ${pattern.oc[term]}`, Math.floor(weight / index.taps)));
  }
  return found;
}
