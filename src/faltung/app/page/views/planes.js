/**
 * How places of any number of axes are laid out as planes of rows and columns, and how many pixels a cell gets.
 */
import { shownSize, unravel } from "./scene.js";

/**
 * @typedef {object} Planes
 * @property {number} planes of each channel: 1, or the slices of a third axis
 * @property {number} rows
 * @property {number} columns
 */

/**
 * A list of places as planes: the last axis goes along rows, the one before along columns, others are slices.
 * @param {number[]} shape
 * @returns {Planes}
 */
export function planesOf(shape) {
  const columns = shape[shape.length - 1];
  const rows = shape.length > 1 ? shape[shape.length - 2] : 1;
  return { planes: shape.slice(0, -2).reduce((count, extent) => count * extent, 1), rows, columns };
}

/**
 * What the axes are called, as in messages of the Python side.
 * @param {number} count
 */
export function axisNames(count) {
  return ["slice", "row", "column"].slice(-Math.min(count, 3));
}

/**
 * Where a place lies, counted on the grid itself: negative and past the end in the border.
 * @param {import("./scene.js").GridColumns} grid
 * @param {number} place
 */
export function positionAt(grid, place) {
  return unravel(place, shownSize(grid)).map((entry, axis) => entry + grid.first[axis]);
}

/**
 * @typedef {object} Room what a panel has to show
 * @property {Planes} planes
 * @property {number} tiles
 */
/** @typedef {{isWide: boolean, isBeside: boolean, cell: number, kernel: number, share: number, input: number}} Sizes pixels; share and input are widths of the kernel's and the input's panels */

const TILE_GAP = 14;
const LARGEST_CELL = 46;
const ROOMY_CELL = 22;
const LEAST_PANEL = 252;

/**
 * How large cells can be so that input, kernel and output stand side by side, or below one another where there is no room.
 * @param {number} width
 * @param {Room} input
 * @param {{planes: Planes, across: number, down: number}} kernel
 * @param {Room} output
 * @param {boolean} isHalf whether this is half of a page, on which another one looks the same
 * @returns {Sizes}
 */
export function measureCells(width, input, kernel, output, isHalf) {
  const isOne = input.tiles * output.tiles * kernel.across * kernel.down === 1;
  const columns = input.planes.columns + kernel.planes.columns + output.planes.columns;
  const isWide = width >= 640 || (isOne && !isHalf && width >= Math.max(columns * ROOMY_CELL + 120, 470));
  const tallest = isWide ? 440 : 280;
  // On a narrow page the kernel stands beside the output as long as cells can still be touched.
  const least = isWide ? 4 : isHalf ? 20 : 26;
  for (let cell = LARGEST_CELL; ; cell--) {
    const kernelWidth = Math.max(kernel.across * (kernel.planes.columns * cell + TILE_GAP) + (kernel.across > 1 ? 40 : 0), 120);
    const kernelShare = isWide ? Math.min(kernelWidth, width * 0.32) : width;
    const left = isWide ? width - kernelShare - 96 : width;
    const wants = [input, output].map((room) => room.planes.columns * Math.min(room.tiles, 3));
    const share = Math.min(Math.max(wants[0] / (wants[0] + wants[1]), 0.3), 0.7);
    const given = isWide ? [left * share, left * (1 - share)] : [left, left];
    const across = [input, output].map((room, number) => Math.floor((given[number] + TILE_GAP) / (room.planes.columns * cell + TILE_GAP)));
    const isFitting = [input, output].every((room, number) => {
      const height = Math.ceil(room.tiles / Math.max(across[number], 1)) * (room.planes.rows * cell + (room.tiles > 1 ? 32 : 0));
      // Many channels scroll rather than shrink until nothing can be read.
      return across[number] >= 1 && (height <= tallest || (room.tiles > 1 && cell <= 26) || cell <= least);
    });
    const isBeside = !isWide && kernelWidth + TILE_GAP + output.planes.columns * Math.min(output.tiles, 2) * cell <= width;
    if ((!isFitting || (!isWide && !isBeside && cell > least)) && cell > 4) continue;
    // The kernel is small: its cells may be larger than those of the grids, and many of them smaller.
    const isSingle = kernel.across * kernel.down === 1;
    let kernelCell = Math.max(cell, Math.min(isSingle ? 36 : 28, Math.floor((isSingle ? 175 : 100) / kernel.planes.columns)));
    const smallest = kernel.across > 1 ? Math.min(cell, 20) : 14;
    const isTooLarge = () =>
      kernel.across * (kernel.planes.columns * kernelCell + TILE_GAP) + 40 > kernelShare || kernel.down * (kernel.planes.rows * kernelCell + 10) > tallest;
    while (kernelCell > smallest && !isSingle && isTooLarge()) kernelCell--;
    const natural = Math.min(input.tiles, Math.max(across[0], 1)) * (input.planes.columns * cell + TILE_GAP);
    return { isWide, isBeside, cell, kernel: kernelCell, share: kernelShare, input: Math.min(Math.max(natural, LEAST_PANEL), Math.max(given[0], LEAST_PANEL)) };
  }
}

/**
 * The size of letters at which texts of so many characters fit into a cell; 0 where they cannot be read.
 * @param {number} cell
 * @param {number} characters
 */
export function letterSize(cell, characters) {
  const size = Math.min(cell * 0.42, (cell - 5) / (0.6 * Math.max(characters, 1)), 17);
  return size < 6.9 ? 0 : size;
}

/**
 * How many characters a cell has room for in letters that can be read.
 * @param {number} cell pixels
 */
export function roomOf(cell) {
  return Math.max(Math.floor((cell - 5) / (0.6 * 8)), 1);
}
