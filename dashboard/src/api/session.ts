/**
 * The credential that this browser holds: an API key or a JWT.
 *
 * It lives as long as the tab; longer only where somebody asked for it. It never stands in an address, save in the
 * fragment of a link that brings it along, and is taken out of there at once.
 */

const NAME = "sms-delivery-reports:credential";
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])$/;

/** What a link like /#key=...&campaign=... brings along. */
export interface Brought {
  readonly credential: string | null;
  readonly campaign: string | null;
}

/** Takes key and campaign out of the address, and leaves that of the campaign. */
export function takeBrought(): Brought {
  if (!/^#(key|campaign)=/.test(location.hash)) return { credential: null, campaign: null };
  // URLSearchParams reads "+" as a space, as forms do; here it is a character of an id.
  const link = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  const campaign = link.get("campaign") || null;
  const page = campaign === null ? "" : `#/campaigns/${encodeURIComponent(campaign)}`;
  history.replaceState(null, "", location.pathname + location.search + page);
  return { credential: link.get("key") || null, campaign };
}

/** The credential of this tab or, where it was to be remembered, of this browser. */
export function kept(): string | null {
  return attempt(() => sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME));
}

/** Keeps it for this tab, or until somebody signs out. */
export function keep(credential: string, remember: boolean): void {
  forget();
  attempt(() => (remember ? localStorage : sessionStorage).setItem(NAME, credential));
}

/** Forgets it everywhere. */
export function forget(): void {
  for (const storage of ["sessionStorage", "localStorage"] as const) {
    attempt(() => window[storage].removeItem(NAME));
  }
}

/** On the machine where `gql-server demo` runs, it lets in whoever opens the page. Other servers know no such address. */
export async function ofDemo(): Promise<string | null> {
  if (!LOOPBACK.test(location.hostname)) return null;
  try {
    const response = await fetch("/demo/access", { cache: "no-store" });
    if (!response.ok) return null;
    const { apiKey }: { apiKey?: unknown } = await response.json();
    return typeof apiKey === "string" ? apiKey : null;
  } catch {
    return null;
  }
}

/** A browser that blocks storage throws at every touch of it; the page works without. */
function attempt<T>(touch: () => T): T | null {
  try {
    return touch();
  } catch {
    return null;
  }
}
