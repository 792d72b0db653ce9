/** Talking to the server. The reader's token stands behind the # of the address: it is never part of a request's path. */

const PATIENCE = [500, 1000, 2000, 4000, 8000]; // ms between tries

/** The server said no, and would say so again. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The server cannot be reached, or cannot do it now. */
export class Unavailable extends Error {}

const LATER = new Set([408, 429, 500, 502, 503, 504, 507]);

export class Client {
  /** @param {string} token */
  constructor(token) {
    this.headers = { authorization: `Bearer ${token}` };
  }

  study() {
    return this.#json("GET", "/api/study");
  }

  open(trial) {
    return this.#json("POST", `/api/trials/${trial}/open`);
  }

  /** Keep what has changed; nothing changed is a sign of life. */
  save(trial, change) {
    return this.#json("PATCH", `/api/trials/${trial}`, change);
  }

  /** Axial slices of a case; waits for a server that is away, as long as the signal lets it. */
  async slices(case_, first, count, signal) {
    for (let tries = 0; ; tries += 1) {
      try {
        const response = await this.#ask("GET", `/api/cases/${case_}/slices/${first}/${count}`, undefined, signal);
        return await response.arrayBuffer();
      } catch (error) {
        if (signal.aborted || error instanceof Refused) throw error;
        await pause(PATIENCE[Math.min(tries, PATIENCE.length - 1)]);
      }
    }
  }

  async #json(method, path, body) {
    return (await this.#ask(method, path, body)).json();
  }

  async #ask(method, path, body, signal) {
    let response;
    try {
      response = await fetch(path, { method, headers: this.headers, body: body && JSON.stringify(body), signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Unavailable("The server cannot be reached.");
    }
    if (response.ok) return response;
    const message = await response.json().then(
      ({ error }) => error,
      () => response.statusText,
    );
    throw LATER.has(response.status) ? new Unavailable(message) : new Refused(response.status, message);
  }
}

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** How long to wait after so many tries that failed, ms. */
export function patience(tries) {
  return PATIENCE[Math.min(tries, PATIENCE.length - 1)];
}
