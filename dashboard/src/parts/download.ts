/** Files of the server, saved as they come: an export may have a million rows. */

import { type Api } from "../api/api";
import type { Failure } from "../api/errors";

export interface Progress {
  readonly bytes: number;
  /** Of how many rows; null where nobody has counted. */
  readonly rows: number | null;
}

/** What did not come, or not whole. */
export class DownloadFailed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

interface Save {
  readonly suggestedName: string;
}
type Picker = (options: Save) => Promise<FileSystemFileHandle>;

/**
 * Saves what the server answers at this path: straight to the disk where the browser can, else through its memory.
 *
 * @throws DownloadFailed it was refused, or was cut off: a file that was cut is not kept
 * @throws DOMException AbortError: the person gave up
 */
export async function download(
  api: Api,
  path: string,
  name: string,
  signal: AbortSignal,
  progress: (so: Progress) => void,
): Promise<void> {
  // Asked first: browsers show the dialog only right after a click.
  const pick = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  const file = pick ? await pick({ suggestedName: name }) : null;
  const response = await api.fetch(path, { signal });
  if (!response.ok || !response.body) throw new DownloadFailed(await failureOf(response));
  const rows = Number.parseInt(response.headers.get("export-rows") ?? "", 10);
  let bytes = 0;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, out) {
        bytes += piece.byteLength;
        progress({ bytes, rows: Number.isNaN(rows) ? null : rows });
        out.enqueue(piece);
      },
    }),
  );
  try {
    if (file) {
      // Closed only when whole: until then the file keeps what it had.
      await counted.pipeTo(await file.createWritable(), { signal });
      return;
    }
    const whole = await new Response(counted).blob();
    offer(whole, name);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new DownloadFailed({ code: "CUT", message: error instanceof Error ? error.message : String(error) });
  }
}

function offer(whole: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(whole);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function failureOf(response: Response): Promise<Failure> {
  try {
    const { errors }: { errors: { message: string; extensions: { code: string } }[] } = await response.json();
    const [first] = errors;
    if (first) return { code: first.extensions.code, message: first.message };
  } catch {
    // No words of the server's.
  }
  return { code: "NETWORK", message: response.statusText };
}
