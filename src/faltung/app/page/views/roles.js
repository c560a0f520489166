/**
 * Which colour each channel has: groups one each, the three channels of an image red, green and blue, as in every picture of the package.
 */

const GROUP_COLOURS = 6;

/**
 * @param {import("./scene.js").StageColumns[]} stages
 * @returns {{input: string[], output: string[]}[]}
 */
export function rolesOf(stages) {
  /** @type {{input: string[], output: string[]}[]} */
  const found = [];
  for (const { input, output } of stages) {
    const ofGroups = (/** @type {number[]} */ groups) => groups.map((group) => `group-${group % GROUP_COLOURS}`);
    if (new Set(input.groups).size > 1) found.push({ input: ofGroups(input.groups), output: ofGroups(output.groups) });
    else {
      const plain = input.channels === 3 ? ["red", "green", "blue"] : new Array(input.channels).fill("input");
      found.push({ input: found.at(-1)?.output ?? plain, output: new Array(output.channels).fill("output") });
    }
  }
  return found;
}
