import { useQuery, useSubscription } from "@apollo/client/react";
import { CAMPAIGN, CAMPAIGN_UPDATED } from "./operations";

/** The five rates of a campaign, as they are now. */
export function Figures({ id }: { id: string }) {
  const { data, error } = useQuery(CAMPAIGN, { variables: { id } });
  // Its events are written into the cache, from where the query above has its data: there is nothing else to do.
  // It begins after the answer, so that an older answer never comes on top of a newer event.
  const { error: lost } = useSubscription(CAMPAIGN_UPDATED, { variables: { id }, skip: !data?.campaign });

  if (error ?? lost) return <p role="alert">{(error ?? lost)?.message}</p>;
  if (!data) return <p>Loading…</p>;
  if (!data.campaign) return <p role="alert">There is no such campaign.</p>;
  const { name, state, statistics } = data.campaign;
  return (
    <section aria-label="Figures">
      <h1>{name}</h1>
      <p>
        {statistics.total} messages, {state.toLowerCase()}
      </p>
      <dl>
        {statistics.indicators.map(({ indicator, label, count, rate }) => (
          <div key={indicator} data-indicator={indicator}>
            <dt>{label}</dt>
            <dd>{rate == null ? "–" : `${(rate * 100).toFixed(1)}%`}</dd>
            <dd>{count}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
