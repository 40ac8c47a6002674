/**
 * Subscribes, and subscribes again whenever the connection is lost, until the returned function is called.
 *
 * subscribe(sink)  begins a subscription and returns what ends it; called again, it begins at the newest cursor
 * take(data)       is given each event's data
 * failed(reason)   is told of a mistake that another try would only repeat; then it is over
 */
export function resume(subscribe, take, failed) {
  let tries = 0;
  let timer;
  let stop = () => {};

  function begin() {
    let over = false;
    const lost = (reason) => {
      if (over) return;
      over = true;
      if (isMistake(reason, tries)) return failed(reason);
      const wait = Math.min(1000 * 2 ** tries++, 30_000);
      timer = setTimeout(begin, wait * (0.5 + Math.random() / 2)); // not all clients at once
    };
    stop = subscribe({
      next({ data, errors, error }) {
        if (over) return;
        if (!data) {
          lost(errors ?? error); // Apollo Client tells of a lost connection here, too
          stop();
          return;
        }
        tries = 0;
        take(data);
      },
      error: lost,
      complete: lost, // these subscriptions end by themselves never
    });
  }

  begin();
  return () => {
    clearTimeout(timer);
    stop();
  };
}

const PASSES = [
  "INTERNAL_ERROR",
  "RATE_LIMITED",
  "TIMEOUT",
  "TOO_MANY_CONNECTIONS",
  "TOO_MANY_OPERATIONS",
  "UNAVAILABLE",
];

function isMistake(reason, tries) {
  const errors = Array.isArray(reason) ? reason : reason?.errors;
  if (errors) return !errors.every((error) => PASSES.includes(error.extensions?.code));
  const code = reason?.code ?? reason?.statusCode ?? reason?.response?.status;
  if ([4403, 401].includes(code)) return tries > 0; // once more, with a new key perhaps
  return [4400, 4401, 4406, 4409, 4429, 400, 403, 404, 405, 413].includes(code);
}
