/** The part of the browser's Storage that GraphiQL asks for. */
export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
  clear(): void;
  readonly length: number;
}

/** How the page looks: the theme, the widths of its panes, the transport. Nothing that anyone typed. */
const LOOKS = /^graphiql:(theme|subscriptions|\w+Flex)$/;

/** What the dashboard keeps beside it, the credential say, begins otherwise. */
const PREFIX = "sms-delivery-reports:";
const OURS = `${PREFIX}graphiql:`;

/** The name under which this page's history is kept. */
export const HISTORY = `${OURS}history`;

/**
 * Keeps how the page looks, and forgets what was typed.
 *
 * GraphiQL would write its tabs to localStorage. Left to memory instead, they end with the page:
 * no key and no telephone number from a filter or an answer stays behind in the browser, and every
 * visit begins with the examples as they belong to this version. It also keeps out what another
 * GraphiQL left on the same origin (all that ever ran on localhost:8000), which may hold headers;
 * hence the prefix of our own too.
 */
export function createStore(): Store {
  const typed = new Map<string, string>();
  return {
    getItem(key) {
      if (LOOKS.test(key)) return attempt(() => localStorage.getItem(PREFIX + key));
      return typed.get(key) ?? null;
    },
    setItem(key, value) {
      if (LOOKS.test(key)) attempt(() => localStorage.setItem(PREFIX + key, value));
      else typed.set(key, value);
    },
    removeItem(key) {
      if (LOOKS.test(key)) attempt(() => localStorage.removeItem(PREFIX + key));
      typed.delete(key);
    },
    clear() {
      typed.clear();
      attempt(() => {
        for (const key of Object.keys(localStorage)) {
          if (key.startsWith(OURS)) localStorage.removeItem(key);
        }
      });
    },
    get length() {
      return typed.size;
    },
  };
}

/** A browser that blocks storage throws at every touch of it; the page works without. */
export function attempt<T>(touch: () => T): T | null {
  try {
    return touch();
  } catch {
    return null;
  }
}
