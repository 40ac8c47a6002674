/** A file in one request, by XMLHttpRequest: `fetch` does not tell how much is sent. */

/** How an upload ended that was not taken: the server's code, or NETWORK. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** @throws DOMException AbortError; NetworkError: no answer came */
export function send(
  path: string,
  file: Blob,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  progress: (share: number) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    signal.addEventListener("abort", stop, { once: true });
    request.upload.onprogress = ({ loaded, total }) => progress(total === 0 ? 1 : loaded / total);
    request.onloadend = () => signal.removeEventListener("abort", stop);
    request.onabort = () => reject(new DOMException("given up", "AbortError"));
    request.onerror = () => reject(new DOMException("no answer", "NetworkError"));
    request.onload = () => resolve({ status: request.status, body: request.response });
    request.open("POST", path);
    request.responseType = "json";
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.send(file);
  });
}
