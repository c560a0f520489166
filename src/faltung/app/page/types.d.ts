/** What the modules of the page hand to each other. For the type checker alone: no browser is sent this file. */

type Nested = number | Nested[];

/** Numbers given one by one, or by a name that Python knows. */
type Values = { values: Nested } | { named: string } | null;

interface State {
  ndim: number;
  in_channels: number;
  out_channels: number;
  kernel_size: number[];
  stride: number[];
  padding: number[][] | string;
  padding_mode: string;
  dilation: number[];
  groups: number;
  bias: boolean;
  transposed: boolean;
  output_padding: number[];
  flip: boolean;
  input_size: number[];
  reading: string;
  x: Values;
  weight: Values;
  bias_values: number[] | null;
  [further: string]: unknown;
}

interface Remedy {
  label: string;
  state: State;
}

interface Problem {
  message: string;
  hint: string;
  remedies: Remedy[];
}

interface Facts {
  title: string;
  rows: { name: string; value: string; sum: string }[];
}

interface Plan {
  algorithm: string;
  why: { algorithm: string; takes: boolean; reason: string }[];
}

interface SceneGrid {
  channels: number;
  groups: number[];
  size: number[];
  first: number[];
  last: number[];
  origins: string[];
  sources: number[];
  used: number[];
  values: number[][];
}

interface SceneStage {
  name: string;
  spec: string;
  kinds: string[];
  reading: string;
  padding_mode: string;
  is_transposed: boolean;
  arithmetic: string[];
  input: SceneGrid;
  output: SceneGrid;
  kernel: { shape: number[]; groups: number; dilation: number[]; values: Nested; bias: number[] | null };
  patterns: { oc: number[]; ic: number[]; tap: number[]; weight: number[] }[];
  steps: {
    focus: number[];
    windows: number[][];
    pattern: number[];
    products: number[][];
    sums: number[][];
    writes: number[][][];
  };
}

interface SceneColumns {
  version: number;
  title: string;
  stages: SceneStage[];
}

/** The answer to "show". */
interface Shown {
  state: State;
  scene: SceneColumns | null;
  facts: Facts[];
  plan: Plan | null;
  code: { framework: string; text: string }[];
  matrices: any;
  problem: Problem | null;
  [further: string]: any;
}

/** Who answers the page's questions: a server, a notebook's kernel, or a table made beforehand. */
interface Link {
  /** Whether any state can be asked for, and numbers given. */
  readonly isLive: boolean;
  ask(question: string, body: object): Promise<any>;
  upload(bytes: ArrayBuffer): Promise<string>;
}

/** What a page shows, and how it begins. */
interface PlaygroundOptions {
  state?: Partial<State>;
  /** Fields of the state that have controls; all where left out. */
  controls?: string[];
  /** Parts of the page that are shown: "controls", "facts", "plan", "code", "export", "photograph", "models". */
  parts?: string[];
  /** Whether the address of the page holds the state. */
  address?: boolean;
  /** The level of the page's own heading; 0: none. */
  heading?: number;
  title?: string;
}
