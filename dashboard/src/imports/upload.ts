/** A file on its way into the server, resumed until all of it is in (docs/import.md). */

import type { Api } from "../api/api";
import type { Answer } from "../api/upload";

export interface Import {
  readonly id: string;
  readonly state: "RUNNING" | "INTERRUPTED" | "DONE" | "FAILED";
  readonly lines: number;
  readonly rows: number;
  readonly added: number;
  /** Contacts that were there and are brought up to date. */
  readonly updated?: number;
  /** Recipients that are on the blacklist: added, and get nothing. */
  readonly blacklisted?: number;
  /** Numbers that were on the blacklist. */
  readonly there?: number;
  /** How many lines were refused, by code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly refusedListed: number;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface Progress {
  /** Of the file, 0 to 1. */
  readonly sent: number;
  /** What the server has of it; null: it has not said yet. */
  readonly so: Import | null;
  /** The connection was lost, and it goes on by itself. */
  readonly waiting: boolean;
}

/** What the server says instead of taking the file. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const POLL_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** It may be let in another time: the same file, under the same key. */
const PASSES = ["TIMEOUT", "UNAVAILABLE", "RATE_LIMITED", "TOO_MANY_IMPORTS", "IMPORT_IN_PROGRESS", "INTERNAL_ERROR"];

/**
 * Sends it, and sends it again whenever it is cut off: the server goes on where it was.
 *
 * @throws Refused the file or the target is not taken, and would not be the next time
 * @throws DOMException AbortError: the person gave up; what is in stays in
 */
export async function upload(
  api: Api,
  path: string,
  file: File,
  signal: AbortSignal,
  tell: (progress: Progress) => void,
): Promise<Import> {
  const key = crypto.randomUUID();
  let sent = 0;
  let so: Import | null = null;
  let waiting = false;
  const say = () => tell({ sent, so, waiting });

  const polling = setInterval(() => {
    void api
      .fetch("/imports", { headers: { "idempotency-key": key }, signal })
      .then(async (response) => {
        if (!response.ok) return;
        so = await response.json();
        say();
      })
      .catch(() => undefined);
  }, POLL_MS);
  try {
    for (let tries = 0; ; tries += 1) {
      try {
        const headers = { "content-type": typeOf(file), "idempotency-key": key };
        const answer = await api.upload(path, file, headers, signal, (share) => {
          sent = share;
          waiting = false;
          say();
        });
        return taken(answer);
      } catch (error) {
        if (signal.aborted) throw new DOMException("given up", "AbortError");
        if (error instanceof Refused && !PASSES.includes(error.code)) throw error;
      }
      waiting = true;
      say();
      await pause(Math.min(1000 * 2 ** tries, LONGEST_WAIT_MS), signal);
    }
  } finally {
    clearInterval(polling);
  }
}

function taken({ status, body }: Answer): Import {
  if (status === 200) return body as Import;
  const { errors } = (body ?? {}) as { errors?: { message: string; extensions: { code: string } }[] };
  const [first] = errors ?? [];
  throw new Refused(first?.extensions.code ?? "UNAVAILABLE", first?.message ?? `HTTP ${status}`);
}

/** By its name: what browsers say of a .csv hangs on what else is installed. */
export function typeOf({ name }: File): string {
  if (/\.(csv|tsv|txt)$/i.test(name)) return "text/csv";
  if (/\.(ndjson|jsonl)$/i.test(name)) return "application/x-ndjson";
  return "application/octet-stream"; // the server looks at what stands in it
}

export interface RefusedLine {
  readonly line: number;
  readonly code: string;
  readonly reason: string;
}

/** The first lines that were refused. */
export async function refusedLines(api: Api, id: string, most: number): Promise<readonly RefusedLine[]> {
  const response = await api.fetch(`/imports/${id}/refused.csv`);
  if (!response.ok) return [];
  const [, ...lines] = (await response.text()).trimEnd().split("\r\n");
  return lines.slice(0, most).map((text) => {
    const [line = "", code = "", ...reason] = text.split(",");
    return { line: Number(line), code, reason: reason.join(",").replace(/^"|"$/g, "").replaceAll('""', '"') };
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("given up", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
