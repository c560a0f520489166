/** What the modules of the page hand to each other. For the type checker alone: no browser is sent this file. */

type Nested = number | Nested[];

/** Numbers given one by one, or by a name that Python knows; null: made-up ones. */
type Values = { values: Nested } | { named: string } | null;

/** The fields of one convolution. */
interface Layer {
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
  weight: Values;
  bias_values: Values;
}

interface State extends Layer {
  ndim: number;
  in_channels: number;
  input_size: number[];
  reading: string;
  x: Values;
  /** The layers that follow the first. */
  then: Partial<Layer>[];
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
  why: { algorithm: string; takes: boolean; chosen?: boolean; reason: string; layer?: number }[];
}

/** The answer to "show". */
interface Shown {
  state: State;
  scene: any;
  /** Beside its stages the same read as gathers, where both readings are wanted; null for those that have one. */
  gathered: any;
  facts: Facts[];
  plan: Plan | null;
  code: { framework: string; text: string }[];
  matrices: any;
  problem: Problem | null;
  /** Why a convolution that is possible has no picture. */
  unshown: Problem | null;
  choices: Record<string, number[]>;
  [further: string]: any;
}

interface Preset {
  name: string;
  title: string;
  group: string;
  note: string;
  source: string;
  state: State;
}

/** Who answers the page's questions: a server, a notebook's kernel, or a table made beforehand. */
interface Link {
  /** Whether any state can be asked for, and numbers given. */
  readonly isLive: boolean;
  /** Of a table: the fields that vary, with their values. */
  readonly varying?: Record<string, unknown[]>;
  ask(question: string, body: object): Promise<any>;
  upload(bytes: ArrayBuffer): Promise<string>;
}

/** A part of the page that can be taken away again. */
interface Part {
  destroy(): void;
}

/** What a page shows, and how it begins. */
interface PlaygroundOptions {
  state?: Partial<State>;
  /** Fields of the state that have controls; all where left out. */
  controls?: string[];
  /** Parts that are shown: "presets", "controls", "summary", "facts", "plan", "code", "export", "photograph"; all where left out. */
  parts?: string[];
  /** A page of its own: heading, tabs, theme, and an address that holds the state. */
  isPage?: boolean;
}
