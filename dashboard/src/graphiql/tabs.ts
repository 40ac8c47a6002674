/**
 * Tells those who listen to a page what GraphiQL's tabs are: a list of buttons, one of which is current.
 *
 * GraphiQL calls them tabs, but a tab must hold no buttons, and each of them holds two, to choose and to close it; no
 * option of GraphiQL changes it. React writes an attribute only when it changes, so what is taken away stays away.
 */
export function nameTabs(page: HTMLElement): void {
  new MutationObserver(() => {
    for (const list of page.querySelectorAll(".graphiql-tabs[role=tablist]")) {
      list.setAttribute("role", "list");
    }
    for (const tab of page.querySelectorAll(".graphiql-tab[aria-selected]")) {
      const isCurrent = tab.getAttribute("aria-selected") === "true";
      tab.removeAttribute("aria-selected");
      tab.removeAttribute("role");
      const button = tab.querySelector(".graphiql-tab-button");
      if (isCurrent) button?.setAttribute("aria-current", "true");
      else button?.removeAttribute("aria-current");
    }
  }).observe(page, { subtree: true, childList: true, attributeFilter: ["aria-selected"] });
}
