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
/** @typedef {{isWide: boolean, cell: number, kernel: number, input: number, output: number}} Sizes pixels; input and output are widths */

const TILE_GAP = 14;
const LARGEST_CELL = 46;

/**
 * How large cells can be so that input, kernel and output stand side by side, or below one another where there is no room.
 * @param {number} width
 * @param {Room} input
 * @param {{planes: Planes, across: number, down: number}} kernel
 * @param {Room} output
 * @returns {Sizes}
 */
export function measureCells(width, input, kernel, output) {
  const isWide = width >= 640;
  const tallest = isWide ? 430 : 360;
  const signs = isWide ? 76 : 0;
  const smallest = (/** @type {Room} */ room) => (room.tiles > 1 ? 22 : 4);
  for (let cell = LARGEST_CELL; cell > 3; cell--) {
    const kernelWidth = kernel.across * (kernel.planes.columns * cell + TILE_GAP) + 34;
    const kernelShare = Math.min(kernelWidth, isWide ? width * 0.32 : width);
    const left = isWide ? width - kernelShare - signs : width;
    const wants = [input, output].map((room) => room.planes.columns * cell * Math.min(room.tiles, 2) + 8);
    const share = wants[0] / (wants[0] + wants[1]);
    const given = isWide ? [Math.max(left * Math.min(Math.max(share, 0.3), 0.7), 0), 0] : [left, left];
    if (isWide) given[1] = left - given[0];
    const isFitting = [input, output].every((room, number) => {
      const tile = room.planes.columns * cell + TILE_GAP;
      const across = Math.floor((given[number] + TILE_GAP) / tile);
      if (across < 1) return false;
      const height = Math.ceil(room.tiles / across) * (room.planes.rows * cell + 34);
      return height <= tallest || cell <= smallest(room);
    });
    if (!isFitting && cell > 4) continue;
    const inner = isWide ? kernelShare : width;
    let kernelCell = cell;
    const least = kernel.across > 1 ? Math.min(cell, 20) : 4;
    while (kernelCell > least && (kernel.across * (kernel.planes.columns * kernelCell + TILE_GAP) + 34 > inner || kernel.down * (kernel.planes.rows * kernelCell + 10) > tallest)) kernelCell--;
    return { isWide, cell, kernel: kernelCell, input: Math.floor(given[0]), output: Math.floor(given[1]) };
  }
  return { isWide, cell: 4, kernel: 4, input: width, output: width };
}

/**
 * The size of letters at which texts of so many characters fit into a cell; 0 where they cannot be read.
 * @param {number} cell
 * @param {number} characters
 */
export function letterSize(cell, characters) {
  const size = Math.min(cell * 0.42, (cell - 4) / (0.58 * Math.max(characters, 1)), 17);
  return size < 7.5 ? 0 : size;
}
