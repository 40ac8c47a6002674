/** The first lines of a file, looked at here: nothing is sent before somebody says so. */

const LOOKED_AT = 64 * 1024;
const LINES = 6;
const LONGEST = 300;

export async function firstLines(file: File): Promise<readonly string[]> {
  const head = file.slice(0, LOOKED_AT);
  let bytes: Uint8Array;
  try {
    bytes = /\.gz$/i.test(file.name) ? await unpacked(head) : new Uint8Array(await head.arrayBuffer());
  } catch {
    return [];
  }
  return textOf(bytes)
    .split(/\r\n|\n|\r/)
    .slice(0, LINES)
    .map((line) => line.slice(0, LONGEST));
}

/** As much as there is of what was cut out of a packed file. */
async function unpacked(head: Blob): Promise<Uint8Array> {
  const reader = head.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    while (size < LOOKED_AT) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      size += value.byteLength;
    }
  } catch {
    // It was cut here, not there.
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.byteLength;
  }
  return all;
}

function textOf(bytes: Uint8Array): string {
  const [one, two] = bytes;
  if (one === 0xff && two === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (one === 0xfe && two === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    // A character may be cut in two at the end.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
