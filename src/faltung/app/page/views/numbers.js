/**
 * Numbers as text, as the Python side writes them, and text read as numbers.
 */

/** @typedef {{real: number | string, imag: number | string}} ComplexValue */
/** @typedef {number | string | ComplexValue | null} CellValue */

const MINUS = "−";

/**
 * A number in full.
 * @param {CellValue | undefined} value
 * @returns {string}
 */
export function fullNumber(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "object") {
    const second = fullNumber(value.imag);
    const sign = second.startsWith(MINUS) ? MINUS : "+";
    return `${fullNumber(value.real)} ${sign} ${second.replace(MINUS, "")}i`;
  }
  if (typeof value === "string") return value === "Infinity" ? "∞" : value === "-Infinity" ? `${MINUS}∞` : value;
  return String(value).replaceAll("-", MINUS);
}

/**
 * A number in few characters: whole numbers whole, others to three digits, small ones to two.
 * @param {CellValue | undefined} value
 * @returns {string}
 */
export function shortNumber(value) {
  if (value && typeof value === "object") {
    const second = shortNumber(value.imag);
    return `${shortNumber(value.real)}${second.startsWith(MINUS) ? "" : "+"}${second}i`;
  }
  if (typeof value !== "number") return fullNumber(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e5) return fullNumber(value);
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(size < 0.1 ? 2 : 3)));
  return text.replace("e+", "e").replace(/\.0e/, "e").replaceAll("-", MINUS);
}

/**
 * A number in as many digits as there is room for: three, two or one, without the zero before the point if need be.
 * @param {CellValue | undefined} value
 * @param {number} room characters
 * @returns {string}
 */
export function fittingNumber(value, room) {
  const text = shortNumber(value);
  if (text.length <= room || typeof value !== "number" || Number.isInteger(value)) return text;
  let shortest = text;
  for (const digits of [2, 1]) {
    const rounded = shortNumber(Number(value.toPrecision(digits)));
    for (const tried of [rounded, rounded.replace(/^(−?)0\./, "$1.")]) {
      if (tried.length <= room) return tried;
      if (tried.length < shortest.length) shortest = tried;
    }
  }
  return shortest;
}

/**
 * A number inside a product, to four digits: in parentheses where it has a sign or two parts.
 * @param {CellValue | undefined} value
 */
export function factorNumber(value) {
  const text = typeof value === "number" && !Number.isInteger(value) ? fullNumber(Number(value.toPrecision(4))) : mediumNumber(value);
  return text.startsWith(MINUS) || (value && typeof value === "object") ? `(${text})` : text;
}

/**
 * A number to six digits.
 * @param {CellValue | undefined} value
 * @returns {string}
 */
export function mediumNumber(value) {
  if (typeof value !== "number" || Number.isInteger(value)) return fullNumber(value);
  return fullNumber(Number(value.toPrecision(6)));
}

/**
 * How strongly a number is shaded, with its sign; what is not finite is not shaded.
 * @param {CellValue | undefined} value
 * @returns {number}
 */
export function shadeNumber(value) {
  if (typeof value === "number") return value;
  if (value && typeof value === "object" && typeof value.real === "number" && typeof value.imag === "number") return Math.hypot(value.real, value.imag);
  return 0;
}

/**
 * What somebody typed as a number; null where it is none.
 * @param {string} text
 * @returns {number | null}
 */
export function readNumber(text) {
  const plain = text.trim().replaceAll(MINUS, "-").replace(",", ".");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : null;
}
