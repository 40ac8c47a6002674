/**
 * Writes each file of the built pages a second and a third time, packed as well as it can be: the server sends these to
 * whoever takes them (gql_server/pages.py), and packs nothing at every visit.
 */

import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const FOLDER = new URL("../../gql_server/static/", import.meta.url).pathname;
const TEXT = /\.(js|css|svg|html|json|ttf)$/;
const SMALLEST = 1024;
/** Beyond it the best quality takes many seconds for a few percent. */
const LARGE = 400_000;

const packed = {
  br: (content) =>
    promisify(brotliCompress)(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: content.length > LARGE ? 9 : 11,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
  gz: (content) => promisify(gzip)(content, { level: 9 }),
};

const files = (await readdir(FOLDER, { recursive: true })).map((name) => join(FOLDER, name));
await Promise.all(
  files
    .filter((file) => TEXT.test(file))
    .map(async (file) => {
      if ((await stat(file)).size < SMALLEST) return;
      const content = await readFile(file);
      await Promise.all(
        Object.entries(packed).map(async ([ending, pack]) => {
          const smaller = await pack(content);
          if (smaller.length < content.length) await writeFile(`${file}.${ending}`, smaller);
        }),
      );
    }),
);
