/** The answer could not be had: no connection, a refusal, a failure at the other end. */
export class LinkError extends Error {}

// The server cuts off what is larger.
const LARGEST_UPLOAD = 128 * 2 ** 20;

const TOKEN = "faltung-token";

/** The token that the opened address carries; it is kept for this browser and taken out of the address. */
export function takeToken() {
  const parts = location.hash.slice(1).split("&");
  const carried = parts.find((part) => part.startsWith("token="))?.slice("token=".length);
  if (carried === undefined) return keptToken();
  const rest = parts.filter((part) => !part.startsWith("token=")).join("&");
  history.replaceState(null, "", rest ? `#${rest}` : location.pathname + location.search);
  try {
    localStorage.setItem(TOKEN, carried);
  } catch {
    // A browser that keeps nothing: the page works until it is reloaded.
  }
  return carried;
}

function keptToken() {
  try {
    return localStorage.getItem(TOKEN) ?? "";
  } catch {
    return "";
  }
}

/** Asks the server that the page came from. */
export class HttpLink {
  /** @param {string} token that the server wants to see with every question */
  constructor(token) {
    this.isLive = true;
    this.token = token;
  }

  /**
   * @param {string} question
   * @param {object} body
   */
  async ask(question, body) {
    return this.#post(`ask/${question}`, "application/json", JSON.stringify(body));
  }

  /** @param {ArrayBuffer} bytes */
  async upload(bytes) {
    if (bytes.byteLength > LARGEST_UPLOAD) throw new LinkError("The file is larger than 128 MiB.");
    return uploadedId(await this.#post("upload", "application/octet-stream", bytes));
  }

  /**
   * @param {string} path
   * @param {string} type
   * @param {BodyInit} body
   */
  async #post(path, type, body) {
    let response;
    try {
      response = await fetch(path, { method: "POST", headers: { "Content-Type": type, "X-Faltung-Token": this.token }, body });
    } catch {
      throw new LinkError("The server does not answer. Is `faltung play` still running? Start it again and open the address that it prints.");
    }
    if (response.status === 401) throw new LinkError("The server does not know this page. Open the address that the terminal shows.");
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new LinkError(text.trim() || `The server answered with status ${response.status}.`);
    }
  }
}

// A notebook's Python answers one after the other, and not while a cell runs. Files may take it a minute.
const LONGEST_WAIT = 120_000;
const SHORT_WAIT = 10_000;
const SILENT = "The notebook's Python does not answer. It may be busy with another cell; if it was started anew, run this cell again.";
const GONE = "The notebook's Python was started anew or ended, and with it what answers here. Run this cell again.";

/** Asks the kernel of a notebook, through the model that anywidget gives. */
export class WidgetLink {
  /** @param {any} model */
  constructor(model) {
    this.isLive = true;
    this.model = model;
    this.count = 0;
    // Several outputs may show one widget: each knows its own questions by this.
    this.prefix = Math.random().toString(36).slice(2);
    /** @type {Map<string, {resolve: (answer: any) => void, reject: (error: Error) => void, timer: ReturnType<typeof setTimeout>}>} */
    this.waiting = new Map();
    this.listener = (/** @type {any} */ message) => this.#take(message);
    model.on("msg:custom", this.listener);
    /** Whether the Python that made this widget is gone: nothing will answer any more. */
    this.isGone = false;
    this.end = () => {
      this.isGone = true;
      for (const id of [...this.waiting.keys()]) this.#refuse(id, GONE);
    };
    // As Jupyter tells that a kernel was restarted or shut down.
    model.on("comm_live_update", this.end);
  }

  /**
   * @param {string} question
   * @param {object} body
   */
  ask(question, body) {
    return this.#send(question, body, []);
  }

  /** @param {ArrayBuffer} bytes */
  async upload(bytes) {
    return uploadedId(await this.#send("upload", {}, [bytes]));
  }

  /** An answer has come for which nobody waits any more; who made the link says what then. */
  late = () => {};

  /** The output was thrown away. */
  close() {
    this.model.off("msg:custom", this.listener);
    this.model.off("comm_live_update", this.end);
    for (const { timer } of this.waiting.values()) clearTimeout(timer);
    this.waiting.clear();
  }

  /**
   * @param {string} question
   * @param {object} body
   * @param {ArrayBuffer[]} buffers
   * @returns {Promise<any>}
   */
  #send(question, body, buffers) {
    if (this.isGone) return Promise.reject(new LinkError(GONE));
    const id = `${this.prefix}-${++this.count}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#refuse(id, SILENT), question === "show" ? SHORT_WAIT : LONGEST_WAIT);
      this.waiting.set(id, { resolve, reject, timer });
      try {
        this.model.send({ id, question, body }, undefined, buffers);
      } catch {
        this.end(); // its channel is closed
      }
    });
  }

  /**
   * @param {string} id
   * @param {string} why
   */
  #refuse(id, why) {
    const asker = this.#asker(id);
    asker?.reject(new LinkError(why));
  }

  /**
   * Who waits for an answer; nobody does any more.
   * @param {string} id
   */
  #asker(id) {
    const asker = this.waiting.get(id);
    clearTimeout(asker?.timer);
    this.waiting.delete(id);
    return asker;
  }

  /** @param {any} message */
  #take(message) {
    const isOwn = String(message?.id).startsWith(`${this.prefix}-`);
    const asker = this.#asker(message?.id);
    if (!asker && isOwn) this.late();
    if (!asker) return;
    if (message.failure === undefined) asker.resolve(message.answer);
    else asker.reject(new LinkError(message.failure));
  }
}

/** Looks answers up that were made beforehand: one for every combination of the values offered. */
export class TableLink {
  /** @param {{varying: Record<string, unknown[]>, base: State, answers: any[]}} table */
  constructor(table) {
    this.isLive = false;
    this.table = table;
    this.varying = table.varying;
  }

  /**
   * @param {string} question
   * @param {{state?: State}} body
   */
  async ask(question, body) {
    const state = body.state;
    if (question !== "show" || !state) throw new LinkError("This page holds its answers; it cannot be asked further.");
    let place = 0;
    for (const [field, offered] of Object.entries(this.table.varying)) {
      const wanted = JSON.stringify(state[field]);
      const at = offered.findIndex((value) => JSON.stringify(value) === wanted);
      if (at < 0) throw new LinkError(`This page holds no answer for ${field} ${wanted}.`);
      place = place * offered.length + at;
    }
    return this.table.answers[place];
  }

  /** @returns {Promise<string>} */
  async upload() {
    throw new LinkError("This page holds its answers; nothing can be loaded into it.");
  }
}

/** @param {any} answer */
function uploadedId(answer) {
  if (typeof answer?.upload === "string") return answer.upload;
  const problem = answer?.problem;
  throw new LinkError(problem ? [problem.message, problem.hint].filter(Boolean).join(" ") : "What was loaded was not accepted.");
}
