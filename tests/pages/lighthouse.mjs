/**
 * lighthouse.mjs CHROME URL RUNS: what Lighthouse says of a page, desktop preset: one JSON line a run.
 *
 * {"performance": 97, "accessibility": 100, "bestPractices": 100, "failed": ["id: title", ...]}
 */

import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const [chromePath, url, runs] = process.argv.slice(2);
for (let run = 0; run < Number(runs); run += 1) {
  // A browser for each: nothing is kept from the one before.
  const chrome = await launch({
    chromePath,
    chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  try {
    const { lhr } = await lighthouse(
      url,
      { port: chrome.port, onlyCategories: ["performance", "accessibility", "best-practices"] },
      desktopConfig,
    );
    const score = (name) => Math.round(lhr.categories[name].score * 100);
    const audits = ["accessibility", "best-practices"].flatMap((name) => lhr.categories[name].auditRefs);
    console.log(
      JSON.stringify({
        performance: score("performance"),
        accessibility: score("accessibility"),
        bestPractices: score("best-practices"),
        firstContentfulPaint: lhr.audits["first-contentful-paint"].numericValue,
        largestContentfulPaint: lhr.audits["largest-contentful-paint"].numericValue,
        totalBlockingTime: lhr.audits["total-blocking-time"].numericValue,
        cumulativeLayoutShift: lhr.audits["cumulative-layout-shift"].numericValue,
        shifted: (lhr.audits["layout-shifts"]?.details?.items ?? [])
          .map(({ score, node }) => `${score.toFixed(3)} ${node?.selector} ${node?.nodeLabel?.slice(0, 40)}`),
        failed: audits
          .filter(({ id, weight }) => weight > 0 && lhr.audits[id].score !== null && lhr.audits[id].score < 1)
          .map(({ id }) => `${id}: ${lhr.audits[id].title}`),
      }),
    );
  } finally {
    await chrome.kill();
  }
}
