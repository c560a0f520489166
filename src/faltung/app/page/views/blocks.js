/**
 * The matrices of a convolution as blocks that stand as for Falk's scheme: left factor, above it nothing, right factor above the result.
 */
import { inputName, outputName, weightName } from "./naming.js";
import { fullNumber } from "./numbers.js";
import { placesOf } from "./scene.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("../selection.js").Item} Item */
/** @typedef {import("./numbers.js").CellValue} CellValue */
/** @typedef {import("./lighting.js").Lit} Lit */
/**
 * @typedef {object} MatrixBlock
 * @property {string} title
 * @property {number} top in cells
 * @property {number} left in cells
 * @property {number} rows
 * @property {number} columns
 * @property {(row: number, column: number) => CellValue | undefined} value undefined: nothing stands there
 * @property {(row: number, column: number) => string} role
 * @property {(row: number, column: number) => Item | null} item
 * @property {(row: number, column: number) => string} words
 */
/** @typedef {{block: number, row: number, column: number, kind: "on" | "chief"}} MatrixLight */
/**
 * @typedef {object} MatrixPlan
 * @property {MatrixBlock[]} blocks
 * @property {(lit: Lit, item: Item | null) => MatrixLight[]} lights
 * @property {string} sentence
 */
/** @typedef {{input: string[], output: string[]}} StageRoles */

/**
 * y = T x: a row for every output, a column for every input.
 * @param {StageIndex} index
 * @param {{shape: number[], row: number[], column: number[], value: CellValue[], weights: number[][]}} toeplitz
 * @param {StageRoles} roles
 * @returns {MatrixPlan}
 */
export function toeplitzPlan(index, toeplitz, roles) {
  const [rows, columns] = toeplitz.shape;
  /** @type {Map<number, number>} */
  const entries = new Map();
  toeplitz.row.forEach((row, entry) => entries.set(row * columns + toeplitz.column[entry], entry));
  const { stage } = index;
  const inputItem = (/** @type {number} */ flat) => /** @type {Item} */ ({ grid: "input", channel: Math.floor(flat / index.inputCells), place: index.inputPlace[flat % index.inputCells], reading: stage.reading });
  const outputItem = (/** @type {number} */ flat) => /** @type {Item} */ ({ grid: "output", channel: Math.floor(flat / index.outputCells), place: index.outputPlace[flat % index.outputCells], reading: stage.reading });
  const inputs = stage.input.values.flat();
  /** @type {MatrixBlock[]} */
  const blocks = [
    {
      title: "x",
      top: 0,
      left: 0,
      rows: 1,
      columns,
      value: (_, column) => inputs[column],
      role: (_, column) => roles.input[Math.floor(column / index.inputCells)],
      item: (_, column) => inputItem(column),
      words: (_, column) => `${inputName(index, column)} = ${fullNumber(inputs[column])}`,
    },
    {
      title: "T",
      top: 2,
      left: 0,
      rows,
      columns,
      value: (row, column) => toeplitz.value[entries.get(row * columns + column) ?? -1],
      role: (_, column) => (roles.input[Math.floor(column / index.inputCells)] === "input" ? "kernel" : roles.input[Math.floor(column / index.inputCells)]),
      item: (row, column) => {
        const weights = toeplitz.weights[entries.get(row * columns + column) ?? -1];
        return weights?.length === 1 ? { grid: "kernel", channel: 0, place: weights[0] } : weights ? inputItem(column) : null;
      },
      words: (row, column) => {
        const entry = entries.get(row * columns + column);
        const meets = `${outputName(index, row)} and ${inputName(index, column)}`;
        if (entry === undefined) return `0: ${meets} do not meet`;
        return `${toeplitz.weights[entry].map((weight) => weightName(index, weight)).join(" + ")} = ${fullNumber(toeplitz.value[entry])}: brings ${inputName(index, column)} to ${outputName(index, row)}`;
      },
    },
    {
      title: "y",
      top: 2,
      left: columns + 1,
      rows,
      columns: 1,
      value: (row) => index.results[row],
      role: (row) => roles.output[Math.floor(row / index.outputCells)],
      item: (row) => outputItem(row),
      words: (row) => `${outputName(index, row)} = ${fullNumber(index.results[row])}`,
    },
  ];
  return {
    blocks,
    lights: (lit, item) => {
      /** @type {MatrixLight[]} */
      const found = [];
      for (let number = 0; number < lit.products.length; number++) {
        const product = lit.products[number];
        const [row, column] = [index.output[product], index.input[product]];
        found.push({ block: 2, row, column: 0, kind: item?.grid === "output" ? "chief" : "on" });
        if (column < 0) continue;
        found.push({ block: 0, row: 0, column, kind: item?.grid === "input" ? "chief" : "on" });
        found.push({ block: 1, row, column, kind: item?.grid === "kernel" ? "chief" : "on" });
      }
      return found;
    },
    sentence: `Every output is a row, every input a column: y = T x${stage.kernel.bias ? " + bias" : ""}. What stands nowhere is 0; the same weights come back along the diagonals.`,
  };
}

/**
 * Y = W X: every column of X is one window, written out.
 * @param {StageIndex} index
 * @param {any} group
 * @param {StageRoles} roles
 * @returns {MatrixPlan}
 */
export function im2colPlan(index, group, roles) {
  const { stage } = index;
  const /** @type {number[]} */ outputs = group.output_channels;
  const /** @type {number[][]} */ weights = group.weights;
  const /** @type {number[][]} */ places = group.places;
  const rows = places.length;
  const columns = index.outputCells;
  /** @type {Map<number, [number, number]>} */
  const ofWeight = new Map();
  weights.forEach((line, number) => line.forEach((weight, row) => ofWeight.set(weight, [number, row])));
  const channelOf = (/** @type {number} */ row) => group.row_channel[row];
  const outputItem = (/** @type {number} */ row, /** @type {number} */ column) => /** @type {Item} */ ({ grid: "output", channel: outputs[row], place: index.outputPlace[column], reading: stage.reading });
  const flatOfPlace = (/** @type {number} */ row, /** @type {number} */ column) => {
    const source = stage.input.sources[places[row][column]];
    return source < 0 ? -1 : channelOf(row) * index.inputCells + source;
  };
  /** @type {MatrixBlock[]} */
  const blocks = [
    {
      title: "X",
      top: 0,
      left: rows + 1,
      rows,
      columns,
      value: (row, column) => group.values[row][column],
      role: (row, column) => {
        const origin = stage.input.origins[places[row][column]];
        return origin === "input" ? roles.input[channelOf(row)] : origin;
      },
      item: (row, column) => ({ grid: "input", channel: channelOf(row), place: places[row][column], reading: stage.reading }),
      words: (row, column) => {
        const flat = flatOfPlace(row, column);
        return `${flat < 0 ? "a zero" : inputName(index, flat)} = ${fullNumber(group.values[row][column])}, in the window of output ${fullNumber(column)}`;
      },
    },
    {
      title: "W",
      top: rows + 1,
      left: 0,
      rows: outputs.length,
      columns: rows,
      value: (row, column) => index.weights[weights[row][column]],
      role: (_, column) => (roles.input[channelOf(column)] === "input" ? "kernel" : roles.input[channelOf(column)]),
      item: (row, column) => ({ grid: "kernel", channel: 0, place: weights[row][column] }),
      words: (row, column) => `${weightName(index, weights[row][column])} = ${fullNumber(index.weights[weights[row][column]])}`,
    },
    {
      title: "Y",
      top: rows + 1,
      left: rows + 1,
      rows: outputs.length,
      columns,
      value: (row, column) => index.results[outputs[row] * columns + column],
      role: (row) => roles.output[outputs[row]],
      item: outputItem,
      words: (row, column) => `${outputName(index, outputs[row] * columns + column)} = ${fullNumber(index.results[outputs[row] * columns + column])}`,
    },
  ];
  return {
    blocks,
    lights: (lit, item) => {
      /** @type {MatrixLight[]} */
      const found = [];
      const isCopied = item?.grid === "input" && item.place < placesOf(stage.input);
      for (let number = 0; number < lit.products.length; number++) {
        const product = lit.products[number];
        const at = ofWeight.get(index.weight[product]);
        if (!at) continue;
        const column = index.output[product] % index.outputCells;
        found.push({ block: 0, row: at[1], column, kind: isCopied ? "chief" : "on" });
        found.push({ block: 1, row: at[0], column: at[1], kind: item?.grid === "kernel" ? "chief" : "on" });
        found.push({ block: 2, row: at[0], column, kind: item?.grid === "output" ? "chief" : "on" });
      }
      return found;
    },
    sentence: `Every window is written out as a column of X, so that the whole convolution is one matrix product: Y = W X${stage.kernel.bias ? " + bias" : ""}. Point at an input cell to see how often it is copied.`,
  };
}

/**
 * C = Wᵀ X, and Y, onto which the entries of C are added: every column is the stamp of one input cell.
 * @param {StageIndex} index
 * @param {any} group
 * @param {StageRoles} roles
 * @returns {MatrixPlan}
 */
export function col2imPlan(index, group, roles) {
  const { stage } = index;
  const { sources } = stage.output;
  const { reading } = stage;
  const /** @type {number[]} */ inputs = group.input_channels;
  const /** @type {number[]} */ outputs = group.output_channels;
  const /** @type {number[][]} */ weights = group.weights;
  const /** @type {number[][]} */ places = group.places;
  const /** @type {number[]} */ channelOf = group.row_channel;
  const rows = places.length;
  const columns = index.inputCells;
  /** @type {Map<number, [number, number]>} */
  const ofWeight = new Map();
  weights.forEach((line, row) => line.forEach((weight, column) => ofWeight.set(weight, [row, column])));
  const flatOfInput = (/** @type {number} */ row, /** @type {number} */ column) => inputs[row] * columns + column;
  const values = stage.input.values;
  const kernelRole = (/** @type {number} */ channel) => (roles.input[channel] === "input" ? "kernel" : roles.input[channel]);
  /** @param {number} row @param {number} column */
  const lands = (row, column) => {
    const source = sources[places[row][column]];
    return source < 0 ? "" : outputName(index, channelOf[row] * index.outputCells + source);
  };
  /** @type {MatrixBlock[]} */
  const blocks = [
    {
      title: "X",
      top: 0,
      left: inputs.length + 1,
      rows: inputs.length,
      columns,
      value: (row, column) => values[inputs[row]][column],
      role: (row) => roles.input[inputs[row]],
      item: (row, column) => ({ grid: "input", channel: inputs[row], place: index.inputPlace[column], reading }),
      words: (row, column) => `${inputName(index, flatOfInput(row, column))} = ${fullNumber(values[inputs[row]][column])}`,
    },
    {
      title: "Wᵀ",
      top: inputs.length + 1,
      left: 0,
      rows,
      columns: inputs.length,
      value: (row, column) => index.weights[weights[row][column]],
      role: (_, column) => kernelRole(inputs[column]),
      item: (row, column) => ({ grid: "kernel", channel: 0, place: weights[row][column] }),
      words: (row, column) => `${weightName(index, weights[row][column])} = ${fullNumber(index.weights[weights[row][column]])}`,
    },
    {
      title: "C",
      top: inputs.length + 1,
      left: inputs.length + 1,
      rows,
      columns,
      value: (row, column) => group.values[row][column],
      role: (row, column) => (lands(row, column) ? roles.output[channelOf[row]] : "cropped"),
      item: (row, column) => ({ grid: "output", channel: channelOf[row], place: places[row][column], reading }),
      words: (row, column) => `${fullNumber(group.values[row][column])}, ${lands(row, column) ? `added to ${lands(row, column)}` : "cropped: it falls outside the output"}`,
    },
    {
      title: "Y",
      top: inputs.length + rows + 2,
      left: inputs.length + 1,
      rows: outputs.length,
      columns: index.outputCells,
      value: (row, column) => index.results[outputs[row] * index.outputCells + column],
      role: (row) => roles.output[outputs[row]],
      item: (row, column) => ({ grid: "output", channel: outputs[row], place: index.outputPlace[column], reading }),
      words: (row, column) => `${outputName(index, outputs[row] * index.outputCells + column)} = ${fullNumber(index.results[outputs[row] * index.outputCells + column])}`,
    },
  ];
  return {
    blocks,
    lights: (lit, item) => {
      /** @type {MatrixLight[]} */
      const found = [];
      /** @param {string} grid @returns {"on" | "chief"} */
      const kind = (grid) => (item?.grid === grid ? "chief" : "on");
      for (let number = 0; number < lit.products.length; number++) {
        const product = lit.products[number];
        const at = ofWeight.get(index.weight[product]);
        if (!at) continue;
        const column = index.input[product] % columns;
        found.push({ block: 0, row: at[1], column, kind: kind("input") });
        found.push({ block: 1, row: at[0], column: at[1], kind: kind("kernel") });
        found.push({ block: 2, row: at[0], column, kind: kind("output") });
        found.push({ block: 3, row: outputs.indexOf(index.oc[product]), column: index.output[product] % index.outputCells, kind: kind("output") });
      }
      return found;
    },
    sentence: `Every column of C = Wᵀ X is one input cell times the whole kernel; col2im adds each of its entries where it falls on the output Y${stage.kernel.bias ? ", which begins as the bias" : ""}. Point at an output cell to see which entries meet there.`,
  };
}
